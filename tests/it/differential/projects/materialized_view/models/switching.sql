{{ config(materialized=var('kind', 'table')) }}
select max(id) as id from {{ ref('base') }}
