{{ config(materialized='table') }}
select * from (values
    (1, 'ann', 'red', 10), (2, 'bob', 'blue', 20), (3, 'cid', 'blue', null), (4, null, 'green', 40), (4, 'dup', 'green', 41)
) as v (id, name, team, score)
