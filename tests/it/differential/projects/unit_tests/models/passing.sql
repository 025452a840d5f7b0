select id, customer, amount, day from {{ ref('orders') }} where amount > {{ var('least', 0) }}
