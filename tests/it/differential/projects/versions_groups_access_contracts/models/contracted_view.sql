select 1 as id, 'x'::text as name
