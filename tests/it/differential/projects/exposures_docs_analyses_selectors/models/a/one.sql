{{ config(tags=['odd'], materialized='view') }}
select 1 as n
