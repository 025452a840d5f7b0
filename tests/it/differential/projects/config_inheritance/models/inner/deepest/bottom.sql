select id, name from {{ ref('middle') }}
