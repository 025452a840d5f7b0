-- What decides whether the source can be read well: one row.
-- MySQL knows no max_statement_time; it is asked for apart.
select
    cast(@@version as char),
    cast(@@version_comment as char),
    cast(@@global.time_zone as char),
    cast(@@system_time_zone as char),
    cast(@@global.sql_mode as char),
    cast(@@global.log_bin as signed),
    cast(@@global.binlog_format as char),
    cast(@@global.max_allowed_packet as signed),
    cast(@@global.max_connections as signed),
    (select cast(default_character_set_name as char) from information_schema.schemata where schema_name = database()),
    cast(current_user() as char)
