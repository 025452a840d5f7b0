select max(id) as id from {{ ref('tested') }}
