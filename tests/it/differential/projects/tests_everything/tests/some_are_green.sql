{{ config(severity='warn', store_failures=true, warn_if='>3', limit=10) }}
-- Two rows, and no warning below four.
select id, name from {{ ref('people') }} where team = 'green'
