-- Why a table that is to follow the source's binary log did not with its last sync, by a word (null: it did, or it is
-- not to).
alter table amalgam.table_state add column not_followed text;
