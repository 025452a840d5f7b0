-- A model may be made by a materialization that somebody wrote; seeds and snapshots are built too.

alter table amalgam.model_state
    drop constraint model_state_materialized_check,
    add constraint model_state_materialized_check check (materialized <> '');
