-- Tables may be kept in step by the source's binary log; a load in parts knows the place of the log at which it
-- first began (null: another mode, or there is no such log).
alter table amalgam.table_state drop constraint table_state_mode_check;
alter table amalgam.table_state
    add constraint table_state_mode_check check (mode in ('merge', 'append', 'replace', 'stream'));
alter table amalgam.load add column log_position jsonb;
