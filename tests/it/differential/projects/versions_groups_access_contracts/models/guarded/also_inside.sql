select * from {{ ref('inside') }}
