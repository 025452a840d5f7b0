-- What is known of each model. What describes the published version is written in the very
-- transaction that publishes it; a failure is written afterwards, beside it.
create table amalgam.model_state (
    model_id       text primary key,
    -- Schema-qualified and quoted.
    relation       text not null,
    materialized   text not null check (materialized in ('view', 'table', 'incremental')),
    -- Of compiled SQL, configuration and tests. Null: never published.
    checksum       text,
    -- What was read, by 'table:<name>', 'model:<id>' or 'clock', when the version was built or last tested.
    input_versions jsonb not null default '{}',
    -- One more each time the relation itself is published. A view's rows change with its inputs: whoever
    -- reads it looks at those too.
    data_version   bigint not null default 0,
    built_at       timestamptz,
    checked_at     timestamptz,
    row_count      bigint check (row_count >= 0),
    seconds        double precision check (seconds >= 0),
    -- [{"name", "status", "failures"}] of the published version.
    tests          jsonb not null default '[]',
    -- The last failure since the last success; null: there is none.
    failed_at      timestamptz,
    error_kind     text,
    last_error     text,
    check ((failed_at is null) = (last_error is null) and (failed_at is null) = (error_kind is null)),
    check ((built_at is null) = (checksum is null))
);
