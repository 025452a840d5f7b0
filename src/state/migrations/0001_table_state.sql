-- What is known of each table of the raw schema. A row is written by the data plane in the very
-- transaction that changes the table's rows.
create table amalgam.table_state (
    source_table   text primary key,
    mode           text not null check (mode in ('merge', 'append', 'replace')),
    -- The source's columns and key when the rows were read: what drift is told from.
    shape          jsonb not null,
    -- Null: the table must be looked at in the next cycle.
    fingerprint    text,
    -- Null: nothing can be skipped.
    watermark      jsonb,
    -- One more at each commit: tells a second writer that it came late.
    revision       bigint not null default 1,
    -- One more at each commit that changed a row: tells models that an input changed.
    data_version   bigint not null default 1,
    row_count      bigint not null check (row_count >= 0),
    -- The source's clock before the read began.
    source_read_at timestamptz not null,
    synced_at      timestamptz not null default now(),
    changed_at     timestamptz not null default now(),
    reconciled_at  timestamptz
);
