-- Every column of every index.
select t.table_name, t.index_name, t.seq_in_index, t.column_name
from information_schema.statistics t
where t.table_schema = ? /*only*/
order by t.table_name, t.index_name, t.seq_in_index
