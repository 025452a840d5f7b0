-- Runs, their tasks and attempts, and the schedules that start them.
select 1;
