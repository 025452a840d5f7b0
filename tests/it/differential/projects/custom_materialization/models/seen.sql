select run, what from {{ ref('history') }}
