-- Loads of large tables that have begun and not ended: how far each has come. A row is written by the data
-- plane in the very transaction that adds the rows it covers to the table `relation` of this schema.
create table amalgam.load (
    source_table   text primary key,
    -- The table, in this schema, that is being filled.
    relation       text not null,
    -- The source's columns and key when the load began: with another shape it begins anew.
    shape          jsonb not null,
    -- The fingerprint and the source's clock before the first row was read: what changes behind the
    -- load's back is later found from here.
    fingerprint    text,
    source_read_at timestamptz not null,
    -- The key of the last row read, as the decimal text of its parts; null: none yet.
    last_key       text[],
    row_count      bigint not null default 0 check (row_count >= 0),
    dates_coerced  bigint not null default 0,
    texts_coerced  bigint not null default 0,
    begun_at       timestamptz not null default now(),
    continued_at   timestamptz not null default now()
);
