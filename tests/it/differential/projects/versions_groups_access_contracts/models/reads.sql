select id, 'latest' as which from {{ ref('shape') }}
union all select id, 'first' from {{ ref('shape', v=1) }}
union all select id, 'third' from {{ ref('versions_groups_access_contracts', 'shape', version=3) }}
