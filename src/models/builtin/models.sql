{#- Materializations that projects write over, or whose parts they call. -#}
{% materialization table, default -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set beside = make_intermediate_relation(target_relation) -%}
    {%- do drop_relation_if_exists(load_cached_relation(beside)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}{{ get_create_table_as_sql(False, beside, sql) }}{%- endcall -%}
    {%- do create_indexes(beside) -%}
    {%- do drop_relation_if_exists(existing) -%}
    {%- do adapter.rename_relation(beside, target_relation) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=True)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}

{% materialization view, default -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set beside = make_intermediate_relation(target_relation) -%}
    {%- do drop_relation_if_exists(load_cached_relation(beside)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}{{ get_create_view_as_sql(beside, sql) }}{%- endcall -%}
    {%- do drop_relation_if_exists(existing) -%}
    {%- do adapter.rename_relation(beside, target_relation) -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=True)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}

{#- The rows come by COPY: no statement holds them. -#}
{% materialization seed, default -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set rows = load_agate_table() -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if existing is not none and not existing.is_table -%}
        {{ exceptions.raise_compiler_error("a seed can't be written to '" ~ this ~ "': it is a " ~ existing.type) }}
    {%- elif existing is not none -%}
        {%- set made = reset_csv_table(model, should_full_refresh(), existing, rows) -%}
    {%- else -%}
        {%- set made = create_csv_table(model, rows) -%}
    {%- endif -%}
    {%- do load_csv_rows(model, rows) -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, should_full_refresh())) -%}
    {%- do persist_docs(target_relation, model) -%}
    {%- if should_full_refresh() or existing is none -%}{%- do create_indexes(target_relation) -%}{%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}
{% macro default__create_csv_table(model, agate_table) %}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set quoted = model['config'].get('quote_columns', None) -%}
    {%- set columns = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- do columns.append(adapter.quote_seed_column(name, quoted) ~ ' ' ~ types.get(name, adapter.convert_type(agate_table, loop.index0))) -%}
    {%- endfor -%}
    {%- set sql = 'create table ' ~ this.render() ~ ' (' ~ columns | join(', ') ~ ')' -%}
    {%- call statement('_') -%}{{ sql }}{%- endcall -%}
    {{ return(sql) }}
{% endmacro %}
{% macro default__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {%- if full_refresh -%}
        {%- do adapter.drop_relation(old_relation) -%}
        {{ return(create_csv_table(model, agate_table)) }}
    {%- endif -%}
    {%- do adapter.truncate_relation(old_relation) -%}
    {{ return('truncate table ' ~ old_relation.render()) }}
{% endmacro %}
{% macro default__load_csv_rows(model, agate_table) %}{{ return(adapter.load_dataframe(agate_table)) }}{% endmacro %}
{% macro get_seed_column_quoted_csv(model, column_names) %}
    {%- set quoted = [] -%}
    {%- for name in column_names -%}{%- do quoted.append(adapter.quote_seed_column(name, model['config'].get('quote_columns', None))) -%}{%- endfor -%}
    {{ return(quoted | join(', ')) }}
{% endmacro %}
{% macro default__get_csv_sql(create_or_truncate_sql, insert_sql) %}{{ create_or_truncate_sql }}; {{ insert_sql }}{% endmacro %}
{% macro default__get_binding_char() %}{{ return('%s') }}{% endmacro %}
{% macro default__get_batch_size() %}{{ return(10000) }}{% endmacro %}
