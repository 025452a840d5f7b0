{{ config(alias='from_file') }}
select id from {{ ref('top') }}
