select n from generate_series(1, 5) as n {{ dbt.except() }} select 2 {{ dbt.intersect() }} select 2
union all
select count(*) from ({{ dbt.date_spine('day', "cast('2024-01-01' as date)", "cast('2024-01-05' as date)") }}) as days
