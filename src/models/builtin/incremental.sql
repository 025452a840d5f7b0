{#- What is new, taken into the table that an incremental model already is. -#}
{% macro get_quoted_csv(column_names) %}
    {%- set quoted = [] -%}
    {%- for name in column_names -%}{%- do quoted.append(adapter.quote(name)) -%}{%- endfor -%}
    {{ return(quoted | join(', ')) }}
{% endmacro %}

{% macro default__get_incremental_append_sql(arg_dict) %}
    {{ return(get_insert_into_sql(arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["dest_columns"])) }}
{% endmacro %}
{% macro get_insert_into_sql(target_relation, temp_relation, dest_columns) %}
    {%- set names = get_quoted_csv(dest_columns | map(attribute="name")) -%}
    insert into {{ target_relation }} ({{ names }}) (select {{ names }} from {{ temp_relation }})
{% endmacro %}
{% macro default__get_incremental_delete_insert_sql(arg_dict) %}
    {{ return(get_delete_insert_merge_sql(arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["unique_key"], arg_dict["dest_columns"], arg_dict["incremental_predicates"])) }}
{% endmacro %}
{% macro default__get_incremental_merge_sql(arg_dict) %}
    {{ return(get_merge_sql(arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["unique_key"], arg_dict["dest_columns"], arg_dict["incremental_predicates"])) }}
{% endmacro %}
{% macro default__get_incremental_insert_overwrite_sql(arg_dict) %}
    {{ return(get_insert_overwrite_merge_sql(arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["dest_columns"], arg_dict["incremental_predicates"])) }}
{% endmacro %}
{% macro postgres__get_incremental_default_sql(arg_dict) %}
    {{ return(get_incremental_delete_insert_sql(arg_dict) if arg_dict["unique_key"] else get_incremental_append_sql(arg_dict)) }}
{% endmacro %}
{% macro default__get_incremental_default_sql(arg_dict) %}{{ return(get_incremental_append_sql(arg_dict)) }}{% endmacro %}
{% macro postgres__get_incremental_microbatch_sql(arg_dict) %}
    {%- if not arg_dict["unique_key"] -%}
        {{ exceptions.raise_compiler_error("'microbatch' needs a unique_key on PostgreSQL") }}
    {%- endif -%}
    {{ return(adapter.dispatch('get_incremental_merge_sql', 'dbt')(arg_dict)) }}
{% endmacro %}

{% macro default__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
    {%- set names = get_quoted_csv(dest_columns | map(attribute="name")) -%}
    {%- if unique_key -%}
        {%- set keys = ([unique_key] if unique_key is string else unique_key) | join(', ') -%}
    delete from {{ target }} as DBT_INTERNAL_DEST
    where ({{ keys }}) in (select distinct {{ keys }} from {{ source }} as DBT_INTERNAL_SOURCE)
        {%- for predicate in incremental_predicates or [] %} and {{ predicate }}{% endfor -%};
    {% endif %}
    insert into {{ target }} ({{ names }}) (select {{ names }} from {{ source }})
{%- endmacro %}

{% macro default__get_merge_unique_key_match(source_unique_key, target_unique_key) %}
    {{ return(equals(source_unique_key, target_unique_key) | trim) }}
{% endmacro %}
{% macro default__get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) %}
    {%- set all = dest_columns | map(attribute="quoted") | list -%}
    {%- if merge_update_columns and merge_exclude_columns -%}
        {{ exceptions.raise_compiler_error("a model has either merge_update_columns or merge_exclude_columns, not both") }}
    {%- elif merge_update_columns -%}
        {{ return(merge_update_columns) }}
    {%- elif merge_exclude_columns -%}
        {%- set left_out = merge_exclude_columns | map("lower") | list -%}
        {%- set kept = [] -%}
        {%- for column in dest_columns if column.column | lower not in left_out -%}{%- do kept.append(column.quoted) -%}{%- endfor -%}
        {{ return(kept) }}
    {%- endif -%}
    {{ return(all) }}
{% endmacro %}
{#- `predicates` is what the argument was called at first; packages still do. -#}
{% macro get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {%- set predicates = kwargs.get('predicates', incremental_predicates) -%}
    {{ return(adapter.dispatch('get_merge_sql', 'dbt')(target, source, unique_key, dest_columns, predicates)) }}
{%- endmacro %}
{% macro default__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {%- set predicates = [] + (incremental_predicates or []) -%}
    {%- set names = get_quoted_csv(dest_columns | map(attribute="name")) -%}
    {%- for key in ([unique_key] if unique_key is string else unique_key or []) -%}
        {%- do predicates.append(get_merge_unique_key_match("DBT_INTERNAL_SOURCE." ~ key, "DBT_INTERNAL_DEST." ~ key)) -%}
    {%- endfor -%}
    {%- if not unique_key -%}{%- do predicates.append('FALSE') -%}{%- endif -%}
    {{ config.get('sql_header') or '' }}
    merge into {{ target }} as DBT_INTERNAL_DEST
    using {{ source }} as DBT_INTERNAL_SOURCE
    on ({{ predicates | join(") and (") }})
    {%- if unique_key %}
    when matched then update set
        {%- for column in get_merge_update_columns(config.get('merge_update_columns'), config.get('merge_exclude_columns'), dest_columns) %}
        {{ column }} = DBT_INTERNAL_SOURCE.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    {%- endif %}
    when not matched then insert ({{ names }}) values ({{ names }})
{%- endmacro %}
{% macro default__get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header) -%}
    {{ exceptions.raise_compiler_error("'insert_overwrite' is no strategy of PostgreSQL; append, delete+insert, merge and microbatch are") }}
{%- endmacro %}

{#- Columns that came, went or changed. -#}
{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') %}
    {{ return(on_schema_change if on_schema_change in ['sync_all_columns', 'append_new_columns', 'fail', 'ignore'] else default) }}
{% endmacro %}
{% macro diff_columns(source_columns, target_columns) %}
    {%- set there = target_columns | map(attribute='column') | list -%}
    {%- set missing = [] -%}
    {%- for column in source_columns if column.column not in there -%}{%- do missing.append(column) -%}{%- endfor -%}
    {{ return(missing) }}
{% endmacro %}
{#- A text that may be longer in the table than in the query is as it should be. -#}
{% macro default__diff_column_data_types(source_columns, target_columns) %}
    {%- set changed = [] -%}
    {%- for wanted in source_columns -%}
        {%- for has in target_columns if has.name == wanted.name and has.expanded_data_type != wanted.expanded_data_type and not wanted.can_expand_to(other_column=has) -%}
            {%- do changed.append({'column_name': has.name, 'new_type': wanted.expanded_data_type}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(changed) }}
{% endmacro %}
{% macro default__check_for_schema_changes(source_relation, target_relation) %}
    {%- set source_columns = adapter.get_columns_in_relation(source_relation) -%}
    {%- set target_columns = adapter.get_columns_in_relation(target_relation) -%}
    {%- set added = diff_columns(source_columns, target_columns) -%}
    {%- set gone = diff_columns(target_columns, source_columns) -%}
    {%- set retyped = diff_column_data_types(source_columns, target_columns) -%}
    {{ return({
        'schema_changed': added | length > 0 or gone | length > 0 or retyped | length > 0,
        'source_not_in_target': added, 'target_not_in_source': gone, 'new_target_types': retyped,
        'source_columns': source_columns, 'target_columns': target_columns,
    }) }}
{% endmacro %}
{% macro default__sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) %}
    {%- set is_whole = on_schema_change == 'sync_all_columns' -%}
    {%- do alter_relation_add_remove_columns(target_relation, schema_changes_dict['source_not_in_target'], schema_changes_dict['target_not_in_source'] if is_whole else none) -%}
    {%- for column in schema_changes_dict['new_target_types'] if is_whole -%}
        {%- do alter_column_type(target_relation, column['column_name'], column['new_type']) -%}
    {%- endfor -%}
{% endmacro %}
{% macro default__process_schema_changes(on_schema_change, source_relation, target_relation) %}
    {%- if on_schema_change == 'ignore' -%}{{ return({}) }}{%- endif -%}
    {%- set changes = check_for_schema_changes(source_relation, target_relation) -%}
    {%- if changes['schema_changed'] and on_schema_change == 'fail' -%}
        {%- do exceptions.raise_compiler_error(
            "the model's columns changed and on_schema_change is fail: new " ~ (changes['source_not_in_target'] | map(attribute='name') | join(', ') or 'none')
            ~ "; gone " ~ (changes['target_not_in_source'] | map(attribute='name') | join(', ') or 'none')
            ~ "; of another type " ~ (changes['new_target_types'] | map(attribute='column_name') | join(', ') or 'none')
            ~ ". Set append_new_columns or sync_all_columns, or refresh fully") -%}
    {%- elif changes['schema_changed'] -%}
        {%- do sync_column_schemas(on_schema_change, target_relation, changes) -%}
    {%- endif -%}
    {{ return(changes['source_columns']) }}
{% endmacro %}

{% materialization incremental, default -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set is_whole = existing is none or should_full_refresh() or not existing.is_table -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if is_whole -%}
        {%- set beside = make_intermediate_relation(target_relation) -%}
        {%- do drop_relation_if_exists(load_cached_relation(beside)) -%}
        {%- call statement('main') -%}{{ get_create_table_as_sql(False, beside, sql) }}{%- endcall -%}
        {%- do create_indexes(beside) -%}
        {%- do drop_relation_if_exists(existing) -%}
        {%- do adapter.rename_relation(beside, target_relation) -%}
    {%- else -%}
        {%- if batch_turn is defined -%}
            {%- set fresh = postgres__make_relation_with_suffix(target_relation, '__dbt_tmp', dstring=False).incorporate(path={'schema': none, 'database': none}) -%}
        {%- else -%}
            {%- set fresh = make_temp_relation(target_relation) -%}
        {%- endif -%}
        {%- set strategy = adapter.get_incremental_strategy_macro(context, config.get('incremental_strategy') or 'default') -%}
        {#- Of several batches, the first that is added makes the table for new rows, and the last one drops it. -#}
        {%- if batch_turn is defined and batch_turn.has_table -%}
            {%- call statement() -%}truncate table {{ fresh }}{%- endcall -%}
            {%- call statement() -%}
                {{ config.get('sql_header') or '' }} insert into {{ fresh }} (
{{ sql }}
)
            {%- endcall -%}
        {%- else -%}
            {%- do run_query(get_create_table_as_sql(True, fresh, sql)) -%}
        {%- endif -%}
        {%- set contract = config.get('contract') -%}
        {%- if not contract or not contract.enforced -%}
            {%- do adapter.expand_target_column_types(from_relation=fresh, to_relation=target_relation) -%}
        {%- endif -%}
        {%- set on_change = incremental_validate_on_schema_change(config.get('on_schema_change')) -%}
        {%- set columns = process_schema_changes(on_change, fresh, existing) or adapter.get_columns_in_relation(existing) -%}
        {%- set predicates = config.get('predicates') or config.get('incremental_predicates') -%}
        {%- call statement('main') -%}
            {{ strategy({'target_relation': target_relation, 'temp_relation': fresh, 'unique_key': config.get('unique_key'), 'dest_columns': columns, 'incremental_predicates': predicates}) }}
        {%- endcall -%}
        {%- if batch_turn is not defined or batch_turn.is_last -%}
            {%- call statement() -%}drop table {{ fresh }}{%- endcall -%}
        {%- endif -%}
    {%- endif -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, is_whole)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}
