{{ config(materialized='table') }}
select
    {{ dbt.dateadd('day', 3, "date '2024-02-27'") }} as added,
    {{ dbt.datediff("date '2024-01-31'", "date '2024-03-01'", 'month') }} as months,
    {{ dbt.date_trunc('month', "timestamp '2024-05-17 10:00'") }} as month_start,
    {{ dbt.last_day("date '2024-02-10'", 'month') }} as last_of_month,
    {{ dbt.safe_cast("'12'", api.Column.translate_type('integer')) }} as twelve,
    {{ dbt.split_part("'a|b|c'", "'|'", 2) }} as second_part,
    {{ dbt.hash("'abc'") }} as hashed,
    {{ dbt.concat(["'a'", "'b'", "'c'"]) }} as joined,
    {{ dbt.position("'b'", "'abc'") }} as place, {{ dbt.replace("'abc'", "'b'", "'x'") }} as replaced, {{ dbt.right("'abc'", 2) }} as tail, {{ dbt.length("'abc'") }} as size,
    {{ dbt.string_literal('quoted') }} as literal, '{{ dbt.escape_single_quotes("it's") }}' as escaped,
    {{ dbt.cast_bool_to_text('true') }} as truth,
    {{ dbt.bool_or('n > 1') }} as one_is_big, {{ dbt.any_value('1') }} as any_one, {{ dbt.listagg('n::text', "'-'", 'order by n desc') }} as listed,
    {{ dbt.array_construct([1, 2]) }} as made, {{ dbt.array_append(dbt.array_construct([1]), 5) }} as appended,
    cast('1.5' as {{ dbt.type_numeric() }}) as a_numeric, cast('t' as {{ dbt.type_string() }}) as a_string, cast(1 as {{ dbt.type_bigint() }}) as a_bigint,
    cast(1.5 as {{ dbt.type_float() }}) as a_float, cast('2024-01-01' as {{ dbt.type_timestamp() }}) as a_timestamp, cast(true as {{ dbt.type_boolean() }}) as a_boolean
from (values (1), (2), (3)) as v (n)
