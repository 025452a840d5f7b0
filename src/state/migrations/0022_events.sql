-- Schedules may be started by events: docs/adr/0016.

alter table amalgam.schedule
    -- The schedules whose runs, when they end well, start this one.
    add column after       text[] not null default '{}',
    -- What asked for the fire that waits; null: its time.
    add column queued_by   text,
    -- The file, and the source's tables, as they were when last looked at; null: never looked at.
    add column seen_file   text,
    add column seen_change text;

-- What started it, where that was not the time; null where it was, and where a person did.
alter table amalgam.run add column cause text;
