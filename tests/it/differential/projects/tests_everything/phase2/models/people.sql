{{ config(materialized='table') }}
select * from (values
    (null, 'ann', 'red', null), (2, 'bob', 'blue', -20), (2, 'cid', 'blue', null), (4, null, 'green', 40), (4, 'dup', 'green', 41)
) as v (id, name, team, score)
