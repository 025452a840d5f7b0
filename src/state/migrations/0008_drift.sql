-- What the last sync of a table did about rows that the source had deleted: after another rule, they are looked
-- for anew.
alter table amalgam.table_state
    add column deletes text not null default 'hard' check (deletes in ('hard', 'soft', 'ignore'));

-- Whether the table is read as it was at one moment, or range by range, each as it stands then.
alter table amalgam.table_state
    add column consistency text not null default 'range' check (consistency in ('snapshot', 'range'));

-- What was done about tables whose shape had changed at the source. A row is written by the data plane in the
-- very transaction that does it.
create table amalgam.schema_change (
    change_id    bigint generated always as identity primary key,
    source_table text not null,
    changed_at   timestamptz not null default now(),
    change       text not null check (change in ('added', 'widened', 'redeclared', 'dropped', 'reloaded')),
    -- Names and declarations, never a value.
    told         text not null
);
create index schema_change_at on amalgam.schema_change (changed_at);
