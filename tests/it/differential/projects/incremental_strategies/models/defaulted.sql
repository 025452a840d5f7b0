select id, state from {{ ref('events') }}
