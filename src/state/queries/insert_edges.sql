-- Who waits for whom: $1 those that wait, $2 those they wait for, $3 whether these must end well.
insert into amalgam.task_edge (task_id, parent_id, must_succeed)
select * from unnest($1::bigint[], $2::bigint[], $3::boolean[])
