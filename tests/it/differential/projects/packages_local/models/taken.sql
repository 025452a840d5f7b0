{{ config(materialized='table') }}
select g.id, g.scaled, {{ toolbox.shifted('g.id') }} as shifted, {{ toolbox.scaled('g.id') }} as scaled_here,
    '{{ toolbox.who() }}' as who, '{{ private_name() }}' as own, {{ dbt.current_timestamp() }} as frozen,
    '{{ ref('toolbox', 'given').identifier }}' as name_of_given
from {{ ref('toolbox', 'given') }} as g
