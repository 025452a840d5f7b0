select 1 as id, 'top' as "Name"
