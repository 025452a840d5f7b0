select * from (values ('red'), ('blue')) as v (team)
