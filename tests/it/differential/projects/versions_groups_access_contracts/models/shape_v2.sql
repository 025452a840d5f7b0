{{ config(materialized='table') }}
select 2 as id, 'two' as name, 2.0 as size
