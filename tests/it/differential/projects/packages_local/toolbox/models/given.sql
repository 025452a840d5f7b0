select id, {{ scaled('id') }} as scaled, '{{ who() }}' as who from {{ ref('numbers') }}
