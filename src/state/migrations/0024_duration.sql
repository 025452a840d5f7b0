-- How long work takes, as the last times have it: what a run begins first depends on it. docs/adr/0019.
create table amalgam.duration (
    -- load, delta or reconcile of a table; model.
    kind    text not null,
    subject text not null,
    -- Of attempts that ended well, each newer one counting for three tenths.
    seconds double precision not null check (seconds >= 0),
    primary key (kind, subject)
);

comment on column amalgam.task.weight is
    'what is started first: expected milliseconds until all that waits for it has ended';
