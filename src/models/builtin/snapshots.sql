{#- The history of a query's rows: each version with the moments between which it was true. -#}
{% macro get_snapshot_table_column_names() %}
    {{ return({'dbt_valid_to': 'dbt_valid_to', 'dbt_valid_from': 'dbt_valid_from', 'dbt_scd_id': 'dbt_scd_id', 'dbt_updated_at': 'dbt_updated_at', 'dbt_is_deleted': 'dbt_is_deleted'}) }}
{% endmacro %}
{% macro snapshot_columns() %}
    {%- set names = get_snapshot_table_column_names() -%}
    {%- for key, name in (config.get('snapshot_meta_column_names') or {}).items() if name -%}{%- do names.update({key: name}) -%}{%- endfor -%}
    {{ return(names) }}
{% endmacro %}
{% macro default__snapshot_get_time() -%}{{ current_timestamp() }}{%- endmacro %}
{% macro postgres__snapshot_get_time() -%}{{ current_timestamp() }}::timestamp without time zone{%- endmacro %}
{% macro default__snapshot_timestamp() -%}{{ snapshot_get_time() }}{%- endmacro %}
{% macro default__get_true_sql() %}{{ return('TRUE') }}{% endmacro %}
{% macro postgres__snapshot_string_as_time(timestamp) -%}{{ return("'" ~ timestamp ~ "'::timestamp without time zone") }}{%- endmacro %}
{% macro default__snapshot_hash_arguments(args) -%}
    md5({%- for arg in args -%}coalesce(cast({{ arg }} as varchar), ''){{ " || '|' || " if not loop.last }}{%- endfor -%})
{%- endmacro %}
{% macro default__post_snapshot(staging_relation) %}{% endmacro %}

{#- A key of one column or several, under names of its own. -#}
{% macro snapshot_keys(unique_key) %}{{ return([unique_key] if unique_key is string else unique_key) }}{% endmacro %}
{% macro snapshot_key_name(unique_key, place) %}{{ return('dbt_unique_key' if unique_key is string else 'dbt_unique_key_' ~ place) }}{% endmacro %}
{% macro unique_key_fields(unique_key) -%}
    {%- for key in snapshot_keys(unique_key) -%}{{ key }} as {{ snapshot_key_name(unique_key, loop.index) }}{{ ', ' if not loop.last }}{%- endfor -%}
{%- endmacro %}
{% macro unique_key_join_on(unique_key, identifier, from_identifier) -%}
    {%- for key in snapshot_keys(unique_key) -%}
        {%- set name = snapshot_key_name(unique_key, loop.index) -%}
        {{ equals(identifier ~ '.' ~ name, from_identifier ~ '.' ~ name) }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
{% macro unique_key_is_null(unique_key, identifier) -%}{{ identifier }}.{{ snapshot_key_name(unique_key, 1) }} is null{%- endmacro %}
{% macro unique_key_is_not_null(unique_key, identifier) -%}{{ identifier }}.{{ snapshot_key_name(unique_key, 1) }} is not null{%- endmacro %}

{% macro strategy_dispatch(name) -%}
    {%- set package, word = name.split('.', 1) if '.' in name else (none, name) -%}
    {%- set found = context[package]['snapshot_' ~ word ~ '_strategy'] if package else context['snapshot_' ~ word ~ '_strategy'] -%}
    {%- if not found -%}
        {{ exceptions.raise_compiler_error("there is no snapshot strategy '" ~ name ~ "'; timestamp and check are") }}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}
{% macro snapshot_strategy_of(updated_at, row_changed) %}
    {%- set behaviour = adapter.get_hard_deletes_behavior(config) -%}
    {{ return({
        'unique_key': config.get('unique_key'), 'updated_at': updated_at, 'row_changed': row_changed,
        'scd_id': snapshot_hash_arguments(api.Relation.scd_args(config.get('unique_key'), updated_at)),
        'invalidate_hard_deletes': behaviour == 'invalidate', 'hard_deletes': behaviour,
    }) }}
{% endmacro %}
{% macro snapshot_timestamp_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {%- set updated_at = config.get('updated_at') -%}
    {%- set changed = '(' ~ snapshotted_rel ~ '.' ~ snapshot_columns().dbt_valid_from ~ ' < ' ~ current_rel ~ '.' ~ updated_at ~ ')' -%}
    {{ return(snapshot_strategy_of(updated_at, changed)) }}
{% endmacro %}
{% macro snapshot_check_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {%- set updated_at = config.get('updated_at') or snapshot_get_time() -%}
    {%- set has_new, columns = snapshot_check_all_get_existing_columns(node, target_exists, config.get('check_cols')) -%}
    {%- set differ = [] -%}
    {%- for column in columns -%}
        {%- do differ.append(snapshotted_rel ~ '.' ~ column ~ ' is distinct from ' ~ current_rel ~ '.' ~ column) -%}
    {%- endfor -%}
    {{ return(snapshot_strategy_of(updated_at, '(' ~ (get_true_sql() if has_new or not differ else differ | join(' or ')) ~ ')')) }}
{% endmacro %}
{% macro snapshot_check_all_get_existing_columns(node, target_exists, check_cols_config) -%}
    {%- if not target_exists -%}{{ return((false, [])) }}{%- endif -%}
    {%- if check_cols_config == 'all' -%}
        {%- set asked = get_columns_in_query(node['compiled_code']) -%}
    {%- elif check_cols_config is iterable and check_cols_config | length > 0 -%}
        {%- set asked = get_columns_in_query('select ' ~ check_cols_config | join(', ') ~ ' from (\n' ~ node['compiled_code'] ~ '\n) subq') -%}
    {%- else -%}
        {%- do exceptions.raise_compiler_error("check_cols must be a list of columns or 'all'") -%}
    {%- endif -%}
    {%- set there = adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) -%}
    {%- set has = adapter.get_columns_in_relation(there) | map(attribute='name') | list -%}
    {%- set both = [] -%}
    {%- for column in asked if column in has -%}{%- do both.append(adapter.quote(column)) -%}{%- endfor -%}
    {{ return((both | length < asked | length, both)) }}
{%- endmacro %}

{% macro get_dbt_valid_to_current(strategy, columns) %}
    {%- set open_end = config.get('dbt_valid_to_current') or 'null' -%}
    coalesce(nullif({{ strategy.updated_at }}, {{ strategy.updated_at }}), {{ open_end }}) as {{ columns.dbt_valid_to }}
{% endmacro %}
{% macro default__build_snapshot_table(strategy, sql) %}
    {%- set columns = snapshot_columns() -%}
    select *,
        {{ strategy.scd_id }} as {{ columns.dbt_scd_id }},
        {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
        {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
        {{ get_dbt_valid_to_current(strategy, columns) }}
        {%- if strategy.hard_deletes == 'new_record' %}, 'False' as {{ columns.dbt_is_deleted }}{% endif %}
    from (
{{ sql }}
    ) sbq
{% endmacro %}

{#- Rows to be added and versions to be closed, told apart by dbt_change_type. -#}
{% macro default__snapshot_staging_table(strategy, source_sql, target_relation) -%}
    {%- set columns = snapshot_columns() -%}
    {%- set key = strategy.unique_key -%}
    {%- set keeps_deleted = strategy.hard_deletes == 'new_record' -%}
    {%- set open_end = config.get('dbt_valid_to_current') -%}
    {%- set now = snapshot_get_time() -%}
    {%- set is_open -%}
        {%- if open_end -%}({{ columns.dbt_valid_to }} = {{ open_end }} or {{ columns.dbt_valid_to }} is null){%- else -%}{{ columns.dbt_valid_to }} is null{%- endif -%}
    {%- endset -%}
    with snapshot_query as (
{{ source_sql }}
    ),
    snapshotted_data as (select *, {{ unique_key_fields(key) }} from {{ target_relation }} where {{ is_open }}),
    insertions_source_data as (
        select *, {{ unique_key_fields(key) }}, {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
            {{ strategy.updated_at }} as {{ columns.dbt_valid_from }}, {{ get_dbt_valid_to_current(strategy, columns) }},
            {{ strategy.scd_id }} as {{ columns.dbt_scd_id }}
        from snapshot_query
    ),
    updates_source_data as (
        select *, {{ unique_key_fields(key) }}, {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
            {{ strategy.updated_at }} as {{ columns.dbt_valid_from }}, {{ strategy.updated_at }} as {{ columns.dbt_valid_to }}
        from snapshot_query
    ),
    deletes_source_data as (select *, {{ unique_key_fields(key) }} from snapshot_query),
    {%- set is_changed %}({{ strategy.row_changed }}{% if keeps_deleted %} or snapshotted_data.{{ columns.dbt_is_deleted }} = 'True'{% endif %}){% endset %}
    insertions as (
        select 'insert' as dbt_change_type, source_data.*{% if keeps_deleted %}, 'False' as {{ columns.dbt_is_deleted }}{% endif %}
        from insertions_source_data as source_data
        left join snapshotted_data on {{ unique_key_join_on(key, "snapshotted_data", "source_data") }}
        where {{ unique_key_is_null(key, "snapshotted_data") }} or {{ is_changed }}
    ),
    updates as (
        select 'update' as dbt_change_type, source_data.*, snapshotted_data.{{ columns.dbt_scd_id }}
            {%- if keeps_deleted %}, snapshotted_data.{{ columns.dbt_is_deleted }}{% endif %}
        from updates_source_data as source_data
        join snapshotted_data on {{ unique_key_join_on(key, "snapshotted_data", "source_data") }}
        where {{ is_changed }}
    )
    {%- if strategy.hard_deletes != 'ignore' %},
    deletes as (
        select 'delete' as dbt_change_type, source_data.*, {{ now }} as {{ columns.dbt_valid_from }},
            {{ now }} as {{ columns.dbt_updated_at }}, {{ now }} as {{ columns.dbt_valid_to }},
            snapshotted_data.{{ columns.dbt_scd_id }}
            {%- if keeps_deleted %}, snapshotted_data.{{ columns.dbt_is_deleted }}{% endif %}
        from snapshotted_data
        left join deletes_source_data as source_data on {{ unique_key_join_on(key, "snapshotted_data", "source_data") }}
        where {{ unique_key_is_null(key, "source_data") }}
        {%- if keeps_deleted %} and snapshotted_data.{{ columns.dbt_is_deleted }} is distinct from 'True'{% endif %}
    )
    {%- endif %}
    {%- if keeps_deleted %},
    deletion_records as (
        select 'insert' as dbt_change_type,
            {%- set has = adapter.get_columns_in_relation(target_relation) | map(attribute='name') | list -%}
            {%- for name in get_columns_in_query(source_sql) %}
            {{ 'snapshotted_data' if name in has else 'source_data' }}.{{ adapter.quote(name) }},
            {%- endfor %}
            {%- for part in snapshot_keys(key) %} snapshotted_data.{{ snapshot_key_name(key, loop.index) }},{% endfor %}
            {{ now }} as {{ columns.dbt_valid_from }}, {{ now }} as {{ columns.dbt_updated_at }},
            snapshotted_data.{{ columns.dbt_valid_to }}, {{ snapshot_hash_arguments([columns.dbt_scd_id, now]) }} as {{ columns.dbt_scd_id }},
            'True' as {{ columns.dbt_is_deleted }}
        from snapshotted_data
        left join deletes_source_data as source_data on {{ unique_key_join_on(key, "snapshotted_data", "source_data") }}
        where {{ unique_key_is_null(key, "source_data") }} and snapshotted_data.{{ columns.dbt_is_deleted }} is distinct from 'True'
    )
    {%- endif %}
    select * from insertions
    union all select * from updates
    {%- if strategy.hard_deletes != 'ignore' %} union all select * from deletes{% endif %}
    {%- if keeps_deleted %} union all select * from deletion_records{% endif %}
{%- endmacro %}
{% macro build_snapshot_staging_table(strategy, sql, target_relation) %}
    {%- set fresh = make_temp_relation(target_relation) -%}
    {%- call statement('build_snapshot_staging_relation') -%}
        {{ create_table_as(True, fresh, snapshot_staging_table(strategy, sql, target_relation)) }}
    {%- endcall -%}
    {{ return(fresh) }}
{% endmacro %}
{% macro default__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- set columns = snapshot_columns() -%}
    {%- set open_end = config.get("dbt_valid_to_current") -%}
    {%- set valid_to = 'DBT_INTERNAL_DEST.' ~ columns.dbt_valid_to -%}
    merge into {{ target.render() }} as DBT_INTERNAL_DEST using {{ source }} as DBT_INTERNAL_SOURCE
    on DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }} = DBT_INTERNAL_DEST.{{ columns.dbt_scd_id }}
    when matched and ({{ equals(valid_to, open_end) ~ ' or ' if open_end else '' }}{{ valid_to }} is null)
        and DBT_INTERNAL_SOURCE.dbt_change_type in ('update', 'delete')
        then update set {{ columns.dbt_valid_to }} = DBT_INTERNAL_SOURCE.{{ columns.dbt_valid_to }}
    when not matched and DBT_INTERNAL_SOURCE.dbt_change_type = 'insert'
        then insert ({{ insert_cols | join(', ') }}) values ({{ insert_cols | join(', ') }})
{%- endmacro %}
{#- Two statements: PostgreSQL has `merge` since 15 only. -#}
{% macro postgres__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- set columns = snapshot_columns() -%}
    {%- set open_end = config.get("dbt_valid_to_current") -%}
    update {{ target }} set {{ columns.dbt_valid_to }} = DBT_INTERNAL_SOURCE.{{ columns.dbt_valid_to }}
    from {{ source }} as DBT_INTERNAL_SOURCE
    where DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }}::text = {{ target }}.{{ columns.dbt_scd_id }}::text
      and DBT_INTERNAL_SOURCE.dbt_change_type::text in ('update', 'delete')
      and ({{ target }}.{{ columns.dbt_valid_to }} is null{% if open_end %} or {{ target }}.{{ columns.dbt_valid_to }} = {{ open_end }}{% endif %});
    insert into {{ target }} ({{ insert_cols | join(', ') }})
    select {% for column in insert_cols %}DBT_INTERNAL_SOURCE.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ source }} as DBT_INTERNAL_SOURCE where DBT_INTERNAL_SOURCE.dbt_change_type::text = 'insert'
{%- endmacro %}

{#- A warning where the query's time has another type than the snapshot's clock. -#}
{% macro check_time_data_types(sql) %}
    {%- set of_query, of_clock = get_updated_at_column_data_type(sql), get_snapshot_get_time_data_type() -%}
    {%- if of_query is not none and of_clock is not none and of_query != of_clock -%}
        {{ exceptions.warn_snapshot_timestamp_data_types(of_clock, of_query) }}
    {%- endif -%}
{% endmacro %}
{% macro get_updated_at_column_data_type(snapshot_sql) %}
    {%- set found = [] -%}
    {%- for column in get_column_schema_from_query(snapshot_sql) if column.column in ('dbt_updated_at', 'DBT_UPDATED_AT') -%}
        {%- do found.append(column.dtype) -%}
    {%- endfor -%}
    {{ return(found[-1] if found else none) }}
{% endmacro %}
{% macro get_snapshot_get_time_data_type() %}
    {{ return(get_column_schema_from_query('select ' ~ snapshot_get_time() ~ ' as dbt_snapshot_time')[0].dtype or none) }}
{% endmacro %}

{% materialization snapshot, default -%}
    {%- set is_there, target_relation = get_or_create_relation(database=model.database, schema=model.schema, identifier=model.alias, type='table') -%}
    {%- if not target_relation.is_table -%}{%- do exceptions.relation_wrong_type(target_relation, 'table') -%}{%- endif -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if not config.get('unique_key') -%}{{ exceptions.raise_compiler_error("a snapshot needs a unique_key") }}{%- endif -%}
    {%- set strategy = strategy_dispatch(config.get('strategy') or '')(model, "snapshotted_data", "source_data", model['config'], is_there) -%}
    {%- if not is_there -%}
        {%- call statement('main') -%}{{ create_table_as(False, target_relation, build_snapshot_table(strategy, sql)) }}{%- endcall -%}
        {%- do create_indexes(target_relation) -%}
    {%- else -%}
        {%- set staging = build_snapshot_staging_table(strategy, sql, target_relation) -%}
        {%- do adapter.expand_target_column_types(from_relation=staging, to_relation=target_relation) -%}
        {%- set not_kept = ['dbt_change_type', 'dbt_unique_key'] -%}
        {%- for part in snapshot_keys(strategy.unique_key) -%}{%- do not_kept.append('dbt_unique_key_' ~ loop.index) -%}{%- endfor -%}
        {%- do create_columns(target_relation, adapter.get_missing_columns(staging, target_relation) | rejectattr('name', 'in', not_kept) | list) -%}
        {%- set names = [] -%}
        {%- for column in adapter.get_columns_in_relation(staging) if column.name not in not_kept -%}{%- do names.append(adapter.quote(column.name)) -%}{%- endfor -%}
        {%- call statement('main') -%}{{ snapshot_merge_sql(target=target_relation, source=staging, insert_cols=names) }}{%- endcall -%}
        {%- do post_snapshot(staging) -%}
        {%- call statement() -%}drop table {{ staging }}{%- endcall -%}
    {%- endif -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(is_there or none, full_refresh_mode=False)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}
