select 1 as n from no_such_table
