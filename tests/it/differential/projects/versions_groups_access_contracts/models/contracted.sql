{{ config(materialized='table') }}
-- Columns in another order than the contract says.
select chr(96 + id::int) as code, id, date '2024-01-01' as day, 5.0 as size from (values (1::bigint), (2)) as v (id)
