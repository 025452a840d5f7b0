select 1::bigint as id, 'x'::text as name, true as more
