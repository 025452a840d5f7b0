select id, team from {{ ref('by_stamp') }} where dbt_valid_to is null
