select id from generate_series(1, {{ var('rows', 2) }}) as id
