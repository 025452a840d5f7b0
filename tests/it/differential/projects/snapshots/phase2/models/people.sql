{{ config(materialized='table') }}
-- 1 changed, 2 is gone, 3 is as it was, 4 is new.
select id, team, score, changed_at, 'x' as added from (values
    (1, 'green', 11, timestamp '2024-01-02 08:00'),
    (3, 'red', null, timestamp '2024-01-01 10:00'),
    (4, 'blue', 40, timestamp '2024-01-02 09:00')
) as v (id, team, score, changed_at)
