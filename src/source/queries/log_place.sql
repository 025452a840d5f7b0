-- Where this session stands in the binary log: the place of its snapshot, or else that of the last transaction
-- that can be seen. Empty where there is no log.
select cast(@@global.log_bin as signed), cast(@@global.binlog_format as char),
       (select cast(variable_value as char) from information_schema.session_status
        where variable_name = 'BINLOG_SNAPSHOT_FILE'),
       (select cast(variable_value as char) from information_schema.session_status
        where variable_name = 'BINLOG_SNAPSHOT_POSITION'),
       -- Whether it logs what it gets as a replica, and what it has got as one.
       cast(@@global.log_slave_updates as signed), cast(@@global.gtid_slave_pos as char)
