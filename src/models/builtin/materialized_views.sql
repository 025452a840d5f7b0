{#- Materialized views: made, replaced, altered or only refreshed, by what has changed. Each step is a macro of
    its own, since packages put their own in its place. -#}
{% materialization materialized_view, default -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='materialized_view') -%}
    {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
    {%- set backup_relation = make_backup_relation(target_relation, 'materialized_view' if existing_relation is none else existing_relation.type) -%}
    {{ materialized_view_setup(backup_relation, intermediate_relation, pre_hooks) }}
    {%- set build_sql = materialized_view_get_build_sql(existing_relation, target_relation, backup_relation, intermediate_relation) -%}
    {%- if build_sql | trim == '' -%}
        {{ materialized_view_execute_no_op(target_relation) }}
    {%- else -%}
        {{ materialized_view_execute_build_sql(build_sql, existing_relation, target_relation, post_hooks) }}
    {%- endif -%}
    {{ materialized_view_teardown(backup_relation, intermediate_relation, post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}

{#- What a run of dbt's that broke left behind goes first. -#}
{% macro materialized_view_setup(backup_relation, intermediate_relation, pre_hooks) -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
    {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
{%- endmacro %}
{% macro materialized_view_teardown(backup_relation, intermediate_relation, post_hooks) -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
{%- endmacro %}

{% macro materialized_view_is_made_anew(existing_relation) -%}
    {{ return(existing_relation is none or should_full_refresh() or not existing_relation.is_materialized_view) }}
{%- endmacro %}

{#- Nothing where there is nothing to do. -#}
{% macro materialized_view_get_build_sql(existing_relation, target_relation, backup_relation, intermediate_relation) -%}
    {%- if materialized_view_is_made_anew(existing_relation) -%}
        {{ return(get_create_materialized_view_as_sql(target_relation, sql)) }}
    {%- endif -%}
    {%- set changes = get_materialized_view_configuration_changes(existing_relation, config) -%}
    {%- set on_change = config.get('on_configuration_change') or 'apply' -%}
    {%- if changes is none -%}
        {{ return(refresh_materialized_view(target_relation)) }}
    {%- elif on_change == 'apply' -%}
        {{ return(get_alter_materialized_view_as_sql(target_relation, changes, sql, existing_relation, backup_relation, intermediate_relation)) }}
    {%- elif on_change == 'continue' -%}
        {{ exceptions.warn(target_relation.render() ~ ' is configured otherwise by now, and was left as it is: on_configuration_change is continue') }}
        {{ return('') }}
    {%- elif on_change == 'fail' -%}
        {{ exceptions.raise_fail_fast_error(target_relation.render() ~ ' is configured otherwise by now, and on_configuration_change is fail') }}
    {%- endif -%}
    {{ exceptions.raise_compiler_error("on_configuration_change '" ~ on_change ~ "': it is apply, continue or fail") }}
{%- endmacro %}

{% macro materialized_view_execute_no_op(target_relation) -%}
    {%- do store_raw_result(name='main', message='skip ' ~ target_relation, code='skip', rows_affected='-1') -%}
{%- endmacro %}

{#- The old one goes by the adapter: what hangs on it is made again. -#}
{% macro materialized_view_execute_build_sql(build_sql, existing_relation, target_relation, post_hooks) -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if materialized_view_is_made_anew(existing_relation) -%}{%- do drop_relation_if_exists(existing_relation) -%}{%- endif -%}
    {%- call statement('main') -%}{{ build_sql }}{%- endcall -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=True)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
{%- endmacro %}

{% macro postgres__get_create_materialized_view_as_sql(relation, sql) -%}
    create materialized view if not exists {{ relation }} as {{ sql }};
    {% for index in config.get('indexes') or [] -%}{{ get_create_index_sql(relation, index) }};{%- endfor -%}
{%- endmacro %}
{% macro postgres__drop_materialized_view(relation) -%}drop materialized view if exists {{ relation }}{%- endmacro %}
{% macro postgres__refresh_materialized_view(relation) -%}refresh materialized view {{ relation }}{%- endmacro %}
{% macro postgres__describe_materialized_view(relation) -%}
    {{ return({'indexes': run_query(get_show_indexes_sql(relation))}) }}
{%- endmacro %}

{#- none, or {'indexes': [{'action', 'context'}]}: of what could differ, indexes can be altered in place. People's
    own stay; one that is configured no longer goes if its name says that it was made here. -#}
{% macro postgres__get_materialized_view_configuration_changes(existing_relation, new_config) -%}
    {%- set there, wanted, changes = {}, [], [] -%}
    {%- for row in postgres__describe_materialized_view(existing_relation)['indexes'].rows -%}
        {%- do there.update({row['name']: [row['column_names'].split(',') | sort | list, row['unique'], row['method']]}) -%}
    {%- endfor -%}
    {%- for configured in new_config.get('indexes') or [] -%}
        {%- set index = adapter.parse_index(configured) -%}
        {%- set form = [index.columns | map('lower') | sort | list, index.unique, index.type or 'btree'] -%}
        {%- do wanted.append(form) -%}
        {%- if form not in (there.values() | list) -%}
            {%- do changes.append({'action': 'create', 'context': {'as_node_config': configured}}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set own_prefix = adapter.parse_index({'columns': ['any']}).render(existing_relation)[:-33] -%}
    {%- for name, form in there.items() if form not in wanted and name.startswith(own_prefix) -%}
        {%- do changes.append({'action': 'drop', 'context': {'name': name}}) -%}
    {%- endfor -%}
    {{ return({'indexes': changes, 'requires_full_refresh': false} if changes else none) }}
{%- endmacro %}
{% macro postgres__get_alter_materialized_view_as_sql(relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation) -%}
    {%- if configuration_changes.requires_full_refresh -%}
        {{ get_replace_sql(existing_relation, relation, sql) }}
    {%- else -%}
        {{ postgres__update_indexes_on_materialized_view(relation, configuration_changes.indexes) }}
    {%- endif -%}
{%- endmacro %}
{% macro postgres__update_indexes_on_materialized_view(relation, index_changes) -%}
    {%- for change in index_changes -%}
        {%- if change.action == 'drop' -%}{{ get_drop_index_sql(relation, change.context.name) }}
        {%- elif change.action == 'create' -%}{{ get_create_index_sql(relation, change.context.as_node_config) }}
        {%- endif -%}
        {{ '; ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
{% macro postgres__get_drop_index_sql(relation, index_name) -%}
    drop index if exists "{{ relation.schema }}"."{{ index_name }}"
{%- endmacro %}
