{{ config(materialized='materialized_view', on_configuration_change=var('on_change', 'apply'), indexes=[{'columns': [var('indexed', 'id')]}]) }}
select id, note from {{ ref('base') }}
