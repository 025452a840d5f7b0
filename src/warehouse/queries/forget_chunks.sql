-- Forgets the chunks of table $1 that have keys in common with new ones, from $2 to $3.
delete from amalgam.chunk c
using unnest($2::bigint[], $3::bigint[]) as n (key_from, key_to)
where c.source_table = $1 and c.key_from <= n.key_to and c.key_to >= n.key_from
