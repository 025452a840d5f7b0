{{ config(materialized='table') }}
select * from {{ ref('refused') }}
