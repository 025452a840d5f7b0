{{ config(materialized='table') }}
-- 2 is back.
select id, team, score, changed_at, 'x' as added from (values
    (1, 'green', 11, timestamp '2024-01-02 08:00'),
    (2, 'blue', 21, timestamp '2024-01-03 09:00'),
    (3, 'red', 30, timestamp '2024-01-03 10:00'),
    (4, 'blue', 40, timestamp '2024-01-02 09:00')
) as v (id, team, score, changed_at)
