-- The MERGE tables of a database.
select table_name from information_schema.tables where table_schema = ? and engine = 'MRG_MyISAM'
