-- Every column, in order.
select t.table_name, t.column_name, t.column_type, t.is_nullable, t.extra, t.column_default,
       t.character_set_name
from information_schema.columns t
where t.table_schema = ? /*only*/
order by t.table_name, t.ordinal_position
