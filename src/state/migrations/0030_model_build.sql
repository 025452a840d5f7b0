-- What each build of a model took and gave, for amalgam models history. docs/models.md.
create table amalgam.model_build (
    build_id      bigint generated always as identity primary key,
    model_id      text not null,
    materialized  text not null,
    -- full: made from scratch; incremental: what was there was changed; span: a part of the time that was asked for.
    -- Null where it failed before that was known.
    kind          text check (kind in ('full', 'incremental', 'span')),
    outcome       text not null check (outcome in ('published', 'failed')),
    started_at    timestamptz not null,
    seconds       double precision not null check (seconds >= 0),
    -- Of the published relation; null of views.
    row_count     bigint check (row_count >= 0),
    -- With its indexes; null of views.
    bytes         bigint check (bytes >= 0),
    -- Why it was built.
    reason        text,
    error_kind    text,
    error         text,
    sql_hash      text,
    run_id        bigint,
    -- The medians of the builds before it; null where there were too few.
    usual_seconds double precision,
    usual_rows    double precision,
    unusual       text[] not null default '{}' check (unusual <@ array['slow', 'few_rows'])
);

create index model_build_model on amalgam.model_build (model_id, build_id);
create index model_build_published on amalgam.model_build (model_id, build_id) where outcome = 'published';

-- The SQL that was run, once however often. Of each model by itself: whoever builds a model is the only one to do so,
-- and may drop a text that no build of it has any more.
create table amalgam.model_sql (
    model_id text not null,
    -- SHA-256.
    sql_hash text not null,
    sql      text not null,
    primary key (model_id, sql_hash)
);
