{{ config(materialized='table') }}
-- Each day brings a new event and corrects the one before.
select id, (timestamp '2024-03-01' + (id - 1) * interval '1 day')::timestamp as happened_at,
       'kind ' || (id % 2) as kind,
       case when id = {{ var('day') }} then 'new' else 'settled' end as state
from generate_series(1, {{ var('day') }}) as id
