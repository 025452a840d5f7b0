do $$ begin
    if not exists (select from pg_roles where rolname = 'diff_reader') then create role diff_reader; end if;
    if not exists (select from pg_roles where rolname = 'diff_writer') then create role diff_writer; end if;
end $$;
