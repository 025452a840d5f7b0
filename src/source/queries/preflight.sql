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
    cast(current_user() as char),
    -- Of this account, else of all; 0 for none.
    cast(@@session.max_user_connections as signed),
    -- How far the server's own clock is ahead of UTC now: the session's is UTC.
    timestampdiff(second, utc_timestamp(), convert_tz(utc_timestamp(), '+00:00', @@global.time_zone))
