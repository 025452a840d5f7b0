select * from {{ ref('four') }} where n > {{ var('least', 1) }}
