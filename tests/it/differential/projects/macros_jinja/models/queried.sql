{{ config(materialized='table') }}
-- depends_on: {{ ref('lists') }}
{% set found = run_query("select name, length(value) as n, 1.50::numeric as m, null::int as z from " ~ ref('lists') ~ " where name in ('bools', 'keys') order by name") %}
{% call statement('second', fetch_result=True) %}select 1 as a, 'x' as b{% endcall %}
{% if execute %}
{% set second = load_result('second') %}
{{ rows([
    ('columns', found.column_names | list), ('names', found.columns['name'].values() | list), ('rows', found.rows | length), ('cell', found.rows[0]['m']), ('null', found.rows[1][3]),
    ('data', second['data']), ('table', second['table'].columns[1].values() | list), ('length', found | length),
    ('exists', load_relation(ref('lists')).type), ('columns_of', adapter.get_columns_in_relation(ref('lists')) | map(attribute='name') | list)
]) }}
{% else %}
select 1
{% endif %}
