-- Which tables the source had, and the configuration did not exclude, when a run was last planned: a table that
-- is gone is neither fresh nor late, and its rows stay.
create table amalgam.catalog (
    only_one   boolean primary key default true check (only_one),
    looked_at  timestamptz not null,
    tables     text[] not null
);
