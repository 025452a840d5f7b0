{{ config(materialized='view', post_hook={'sql': "comment on view {{ this }} is 'made by a hook'", 'transaction': true}) }}
-- depends_on: {{ ref('few') }}
select n from {{ ref('first') }}
