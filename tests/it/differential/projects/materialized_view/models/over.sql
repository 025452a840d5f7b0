select id from {{ ref('kept') }}
