{{ config(materialized='materialized_view', indexes=[{'columns': ['id'], 'unique': true}]) }}
select id, count(*) as n from {{ ref('base') }} group by id
