-- What decides whether the warehouse can be written: one row.
select
    current_setting('server_version'),
    current_setting('server_version_num')::bigint,
    (select s.version || ' ' || s.cipher from pg_stat_ssl s where s.pid = pg_backend_pid() and s.ssl),
    current_user::text,
    current_database()::text,
    has_database_privilege(current_database(), 'create'),
    has_database_privilege(current_database(), 'temp'),
    (select pg_encoding_to_char(d.encoding)::text from pg_database d where d.datname = current_database()),
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint,
    (select count(*) from pg_stat_activity a where a.backend_type = 'client backend' and a.pid <> pg_backend_pid()),
    (select r.rolconnlimit::bigint from pg_roles r where r.rolname = current_user),
    pg_is_in_recovery(),
    current_setting('default_transaction_read_only') = 'on',
    (select s.setting::bigint from pg_settings s where s.name = 'statement_timeout'),
    pg_database_size(current_database()),
    current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on',
    (select s.setting::bigint from pg_settings s where s.name = 'idle_in_transaction_session_timeout'),
    -- Empty for the server's own folder, and where we may not know.
    (select nullif(pg_tablespace_location(d.dattablespace), '') from pg_database d where d.datname = current_database()),
    -- Shown only to those who may see it.
    (select s.setting from pg_settings s where s.name = 'data_directory')
