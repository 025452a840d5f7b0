-- A load that read rows as they lie in the source's file, and not to the file's end, may lack rows with keys
-- below its last one: both sides are compared once it has ended.
alter table amalgam.load add column may_have_gaps boolean not null default false;
