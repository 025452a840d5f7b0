-- What a load in parts has set aside so far, and local times for which one instant was chosen.
alter table amalgam.load
    add column local_times_coerced bigint not null default 0,
    add column rows_quarantined    bigint not null default 0;
