-- Maintenance is a task of a run. docs/adr/0019.
alter table amalgam.task
    drop constraint task_kind_check,
    add constraint task_kind_check check (kind in ('sync', 'reconcile', 'model', 'maintenance'));

-- When each was last done.
create index task_maintained on amalgam.task (subject, ended_at) where kind = 'maintenance' and state = 'succeeded';
