-- The parts of a table's primary key, in their order: the column, whether an index keeps all of it in its own order,
-- its collation, and its character set with the bytes that a character takes there at most.
select s.column_name, s.sub_part is null and s.collation = 'A' and s.index_type = 'BTREE',
       c.collation_name, c.character_set_name, cs.maxlen
from information_schema.statistics s
join information_schema.columns c
  on c.table_schema = ? and c.table_name = ? and c.column_name = s.column_name
left join information_schema.character_sets cs on cs.character_set_name = c.character_set_name
where s.table_schema = ? and s.table_name = ? and s.index_name = 'PRIMARY'
order by s.seq_in_index
