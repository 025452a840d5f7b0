-- What each notifier was told and not yet told to be over: docs/adr/0018.
create table amalgam.told (
    notifier text not null,
    -- The name of the alert, without "Amalgam".
    alert    text not null,
    -- The table, model, schedule … that it speaks of; empty where it is of all.
    subject  text not null,
    severity text not null check (severity in ('info', 'warning', 'critical')),
    -- Since when it is open, and when it was last told.
    since    timestamptz not null,
    told_at  timestamptz not null,
    primary key (notifier, alert, subject)
);
