{{ config(
    materialized='table',
    pre_hook=[before_begin(write_entry('before begin'))],
    post_hook=[after_commit('vacuum {{ this }}'), in_transaction(write_entry('inside'))]
) }}
select 1 as n from {{ ref('second') }}
