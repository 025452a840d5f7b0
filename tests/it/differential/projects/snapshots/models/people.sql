{{ config(materialized='table') }}
select id, team, score, changed_at from (values
    (1, 'red', 10, timestamp '2024-01-01 08:00'),
    (2, 'blue', 20, timestamp '2024-01-01 09:00'),
    (3, 'red', null, timestamp '2024-01-01 10:00')
) as v (id, team, score, changed_at)
