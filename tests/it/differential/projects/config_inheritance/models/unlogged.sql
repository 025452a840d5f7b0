{{ config(unlogged=true, persist_docs={'relation': false}, grants={'select': []}) }}
select id from {{ ref('top') }}
