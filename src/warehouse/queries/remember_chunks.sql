-- What chunks of table $1 come to. Another process may have written the same.
insert into amalgam.chunk (source_table, form, key_from, key_to, source_image, raw_image)
select $1, $2, key_from, key_to, source_image, raw_image
from unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[]) as n (key_from, key_to, source_image, raw_image)
on conflict (source_table, key_from) do update
set form = excluded.form, key_to = excluded.key_to, source_image = excluded.source_image,
    raw_image = excluded.raw_image, equal_at = now()
