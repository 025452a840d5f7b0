-- Schedules, and run > task > attempt. Drawn in docs/state-machine.md.
-- Every state change is a row's, and an illegal one is refused here, whoever tries it.

-- Who may write: one row. `epoch` is one more at each acquisition of the writer's lock; by `holder`, a
-- process that lost the lock for a moment can tell whether another has written in between.
create table amalgam.writer (
    only_one       boolean primary key default true check (only_one),
    epoch          bigint not null default 0,
    holder         text not null default '',
    acquired_at    timestamptz
);
insert into amalgam.writer default values;

-- What the configuration says shall run, and when it is due. Written by the writer at its start and at each fire.
create table amalgam.schedule (
    name           text primary key,
    cron           text not null,
    timezone       text not null,
    -- Null: the expression never comes true again.
    next_fire_at   timestamptz,
    last_fire_at   timestamptz,
    -- A fire that waits until the last run has ended; at most one.
    queued_fire_at timestamptz,
    paused         boolean not null default false
);

-- One activation.
create table amalgam.run (
    run_id           bigint generated always as identity primary key,
    trigger          text not null check (trigger in ('schedule', 'manual')),
    schedule         text,
    fire_at          timestamptz,
    -- What was asked for: select, full, reconcile.
    request          jsonb not null,
    state            text not null default 'running' check (state in ('running', 'succeeded', 'failed', 'cancelled')),
    started_at       timestamptz not null,
    -- Null: its tasks are not known yet.
    planned_at       timestamptz,
    tables_unchanged bigint not null default 0 check (tables_unchanged >= 0),
    -- What went wrong with the run itself, not with one of its tasks.
    error_kind       text,
    error            text,
    ended_at         timestamptz,
    check ((trigger = 'schedule') = (schedule is not null and fire_at is not null)),
    check ((state = 'running') = (ended_at is null)),
    check ((error_kind is null) = (error is null)),
    -- Each fire happens once, whoever notices it.
    unique (schedule, fire_at)
);
create index run_running on amalgam.run (run_id) where state = 'running';
create index run_ended on amalgam.run (ended_at);

-- One node of a run's graph.
create table amalgam.task (
    task_id        bigint generated always as identity primary key,
    run_id         bigint not null references amalgam.run on delete cascade,
    kind           text not null check (kind in ('sync', 'reconcile', 'model')),
    -- The table's or the model's name.
    subject        text not null,
    -- What is started first among those that may start: bytes to read, for tables.
    weight         bigint not null default 0,
    state          text not null default 'pending'
                   check (state in ('pending', 'running', 'succeeded', 'unchanged', 'failed', 'skipped', 'cancelled')),
    -- Attempts that failed. Those that were interrupted do not count.
    failures       integer not null default 0 check (failures >= 0),
    -- A retry begins no earlier.
    not_before     timestamptz,
    -- Counts of what was done.
    outcome        jsonb,
    -- Why it failed or was skipped.
    error_kind     text,
    error          text,
    ended_at       timestamptz,
    check ((state in ('pending', 'running')) = (ended_at is null)),
    check (state not in ('failed', 'skipped') or error is not null),
    unique (run_id, kind, subject)
);
create index task_unended on amalgam.task (run_id) where ended_at is null;

-- Who waits for whom, within one run.
create table amalgam.task_edge (
    task_id        bigint not null references amalgam.task on delete cascade,
    parent_id      bigint not null references amalgam.task on delete cascade,
    -- False: it only has to have ended; its failure is not the other's.
    must_succeed   boolean not null,
    primary key (task_id, parent_id),
    check (task_id <> parent_id)
);
create index task_edge_parent on amalgam.task_edge (parent_id);

-- One try of a task.
create table amalgam.attempt (
    task_id        bigint not null references amalgam.task on delete cascade,
    number         integer not null check (number > 0),
    state          text not null default 'running' check (state in ('running', 'succeeded', 'failed', 'interrupted')),
    started_at     timestamptz not null,
    ended_at       timestamptz,
    error_kind     text,
    error          text,
    primary key (task_id, number),
    check ((state = 'running') = (ended_at is null)),
    check ((state = 'failed') = (error_kind is not null and error is not null))
);
-- No task is tried twice at the same time.
create unique index attempt_one_running on amalgam.attempt (task_id) where state = 'running';

-- How each table and model does, over all runs: what `status` and the metrics tell.
create table amalgam.subject (
    kind              text not null check (kind in ('table', 'model')),
    name              text not null,
    succeeded_at      timestamptz,
    -- Since when it fails; null while it does not.
    failing_since     timestamptz,
    failures_in_a_row integer not null default 0 check (failures_in_a_row >= 0),
    error_kind        text,
    error             text,
    primary key (kind, name),
    check ((failing_since is null) = (failures_in_a_row = 0)),
    check (failing_since is null or error is not null)
);
create index subject_failing on amalgam.subject (kind, name) where failing_since is not null;

-- Which tables the last plan for a schedule (empty: by hand) found unchanged: they are as fresh as that plan.
create table amalgam.unchanged (
    schedule       text primary key,
    checked_at     timestamptz not null,
    tables         text[] not null
);

-- Refuses a change of state that is not among the trigger's arguments, each written `from>to`.
create function amalgam.guard_transition() returns trigger language plpgsql as $$
declare
    step text := old.state || '>' || new.state;
    i integer;
begin
    for i in 0 .. tg_nargs - 1 loop
        if tg_argv[i] = step then
            return new;
        end if;
    end loop;
    raise exception 'illegal change of state of %: %', tg_table_name, step using errcode = 'check_violation';
end
$$;

create trigger run_transition before update of state on amalgam.run
    for each row when (old.state is distinct from new.state)
    execute function amalgam.guard_transition('running>succeeded', 'running>failed', 'running>cancelled');

create trigger task_transition before update of state on amalgam.task
    for each row when (old.state is distinct from new.state)
    execute function amalgam.guard_transition(
        'pending>running', 'pending>skipped', 'pending>cancelled',
        'running>pending', 'running>succeeded', 'running>unchanged', 'running>failed', 'running>cancelled');

create trigger attempt_transition before update of state on amalgam.attempt
    for each row when (old.state is distinct from new.state)
    execute function amalgam.guard_transition('running>succeeded', 'running>failed', 'running>interrupted');
