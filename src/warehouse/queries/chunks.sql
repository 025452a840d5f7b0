-- What the chunks of table $1 came to, by checksums of form $2.
select key_from, key_to, source_image, raw_image
from amalgam.chunk
where source_table = $1 and form = $2
order by key_from
