-- Which server a table was last read from (null: the primary), and what the primary had logged by then (null:
-- a replica was read, or there was none).
alter table amalgam.table_state
    add column source_server   text,
    add column source_position text;
