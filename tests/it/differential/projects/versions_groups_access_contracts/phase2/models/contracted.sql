{{ config(materialized='table') }}
-- Longer than its constraint lets a code be.
select 'long' as code, 1::bigint as id, date '2024-01-01' as day, 5.0 as size
