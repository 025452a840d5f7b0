{{ config(enabled=false) }}
select * from {{ ref('there_is_no_such_model') }}
