-- What a project runs before and after its models (on-run-start, on-run-end) is a task of a run.
alter table amalgam.task
    drop constraint task_kind_check,
    add constraint task_kind_check check (kind in ('sync', 'reconcile', 'model', 'maintenance', 'operation'));
