{{ config(alias='another_name', schema='elsewhere') }}
select whose from {{ ref('toolbox', 'twin') }}
