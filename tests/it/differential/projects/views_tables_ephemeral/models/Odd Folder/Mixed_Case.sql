{{ config(materialized='table', alias='Mixed Case') }}
select id as "Id", letter as "The Letter", current_date > date '2020-01-01' as is_late from {{ ref('letters') }}
