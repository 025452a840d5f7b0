-- Every base table of the database, with what tells that it has changed.
select t.table_name, t.engine, t.table_rows, t.data_length,
       cast(t.index_length as signed), cast(t.data_free as signed), cast(t.auto_increment as signed),
       cast(unix_timestamp(t.create_time) as signed), cast(unix_timestamp(t.update_time) as signed),
       timestampdiff(second, t.update_time, now()), coalesce(t.create_options, '') like '%partitioned%'
from information_schema.tables t
where t.table_schema = ? and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED') /*only*/
order by t.table_name
