{#- One relation put in another's place, as statements: for packages whose own materializations are made of
    these. What a build does by itself is safer: it keeps what hangs on a relation. -#}
{% macro default__drop_schema_named(schema_name) -%}
    {%- do adapter.drop_schema(api.Relation.create(schema=schema_name)) -%}
{%- endmacro %}

{% macro postgres__drop_table(relation) -%}drop table if exists {{ relation }}{%- endmacro %}
{% macro postgres__drop_view(relation) -%}drop view if exists {{ relation }}{%- endmacro %}
{% macro postgres__get_rename_table_sql(relation, new_name) -%}alter table {{ relation }} rename to {{ adapter.quote(new_name) }}{%- endmacro %}
{% macro postgres__get_rename_view_sql(relation, new_name) -%}alter view {{ relation }} rename to {{ adapter.quote(new_name) }}{%- endmacro %}
{% macro postgres__get_rename_materialized_view_sql(relation, new_name) -%}
    alter materialized view {{ relation }} rename to {{ adapter.quote(new_name) }}
{%- endmacro %}

{#- By kind: whoever replaces one of these is asked. -#}
{% macro default__get_drop_sql(relation) -%}
    {%- if relation.is_table -%}{{ drop_table(relation) }}
    {%- elif relation.is_view -%}{{ drop_view(relation) }}
    {%- elif relation.is_materialized_view -%}{{ drop_materialized_view(relation) }}
    {%- else -%}drop {{ relation.type }} if exists {{ relation.render() }}
    {%- endif -%}
{%- endmacro %}
{% macro default__get_rename_sql(relation, new_name) -%}
    {%- if relation.is_table -%}{{ get_rename_table_sql(relation, new_name) }}
    {%- elif relation.is_view -%}{{ get_rename_view_sql(relation, new_name) }}
    {%- elif relation.is_materialized_view -%}{{ get_rename_materialized_view_sql(relation, new_name) }}
    {%- else -%}{{ exceptions.raise_compiler_error('get_rename_sql cannot rename a relation of type ' ~ relation.type) }}
    {%- endif -%}
{%- endmacro %}
{% macro default__get_create_sql(relation, sql) -%}
    {%- if relation.is_table -%}{{ get_create_table_as_sql(false, relation, sql) }}
    {%- elif relation.is_view -%}{{ get_create_view_as_sql(relation, sql) }}
    {%- elif relation.is_materialized_view -%}{{ get_create_materialized_view_as_sql(relation, sql) }}
    {%- else -%}{{ exceptions.raise_compiler_error('get_create_sql cannot make a relation of type ' ~ relation.type) }}
    {%- endif -%}
{%- endmacro %}

{#- Staged beside the target under its provisional name; what a broken run left there goes first. -#}
{% macro default__get_create_intermediate_sql(relation, sql) -%}
    {%- set staged = make_intermediate_relation(relation) -%}
    {{ get_drop_sql(staged) }};
    {{ get_create_sql(staged, sql) }}
{%- endmacro %}
{% macro default__get_rename_intermediate_sql(relation) -%}
    {{ get_rename_sql(make_intermediate_relation(relation), relation.identifier) }}
{%- endmacro %}

{#- The old version moved out of the way, to be dropped once the new one stands. -#}
{% macro default__get_create_backup_sql(relation) -%}
    {%- set backup = make_backup_relation(relation, relation.type) -%}
    {{ get_drop_sql(backup) }};
    {{ get_rename_sql(relation, backup.identifier) }}
{%- endmacro %}
{% macro default__get_drop_backup_sql(relation) -%}
    {{ get_drop_sql(make_backup_relation(relation, relation.type)) }}
{%- endmacro %}

{#- In place where the database can; else staged, else backed up, as far as both may be renamed: the old
    version goes as late as possible. -#}
{% macro default__get_replace_sql(existing_relation, target_relation, sql) -%}
    {%- set in_place = existing_relation.can_be_replaced and existing_relation.type == target_relation.type -%}
    {%- if in_place and existing_relation.is_table -%}
        {{ get_replace_table_sql(target_relation, sql) }}
    {%- elif in_place and existing_relation.is_view -%}
        {{ get_replace_view_sql(target_relation, sql) }}
    {%- elif in_place and existing_relation.is_materialized_view -%}
        {{ get_replace_materialized_view_sql(target_relation, sql) }}
    {%- elif target_relation.can_be_renamed and existing_relation.can_be_renamed -%}
        {{ get_create_intermediate_sql(target_relation, sql) }};
        {{ get_create_backup_sql(existing_relation) }};
        {{ get_rename_intermediate_sql(target_relation) }};
        {{ get_drop_backup_sql(existing_relation) }}
    {%- elif target_relation.can_be_renamed -%}
        {{ get_create_intermediate_sql(target_relation, sql) }};
        {{ get_drop_sql(existing_relation) }};
        {{ get_rename_intermediate_sql(target_relation) }}
    {%- elif existing_relation.can_be_renamed -%}
        {{ get_create_backup_sql(existing_relation) }};
        {{ get_create_sql(target_relation, sql) }};
        {{ get_drop_backup_sql(existing_relation) }}
    {%- else -%}
        {{ get_drop_sql(existing_relation) }};
        {{ get_create_sql(target_relation, sql) }}
    {%- endif -%}
{%- endmacro %}
{% macro postgres__get_replace_view_sql(relation, sql) -%}
    {{ config.get('sql_header') or '' }}
    create or replace view {{ relation }}
    {%- set contract = config.get('contract') -%}
    {%- if contract and contract.enforced -%}{{- get_assert_columns_equivalent(sql) -}}{%- endif %} as (
{{ sql }}
    );
{%- endmacro %}
{#- PostgreSQL has no `create or replace table`. -#}
{% macro postgres__get_replace_table_sql(relation, sql) -%}
    {{ get_drop_sql(relation) }};
    {{ get_create_table_as_sql(false, relation, sql) }}
{%- endmacro %}
{% macro default__get_replace_materialized_view_sql(relation, sql) -%}
    {{ exceptions.raise_compiler_error('a materialized view cannot be replaced in place') }}
{%- endmacro %}

{#- A whole materialization for packages whose own one is made of it. -#}
{% macro create_or_replace_view() -%}
    {%- set old_relation = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
    {%- set target_relation = api.Relation.create(database=database, schema=schema, identifier=model['alias'], type='view') -%}
    {{ run_hooks(pre_hooks) }}
    {%- if old_relation is not none and old_relation.is_table -%}
        {{ handle_existing_table(should_full_refresh(), old_relation) }}
    {%- elif old_relation is not none -%}
        {#- A view whose columns differ cannot be replaced in place either. -#}
        {%- do adapter.drop_relation(old_relation) -%}
    {%- endif -%}
    {%- call statement('main') -%}{{ get_create_view_as_sql(target_relation, sql) }}{%- endcall -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(old_relation, full_refresh_mode=true)) -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmacro %}
{% macro default__handle_existing_table(full_refresh, old_relation) -%}
    {%- do log('Dropping relation ' ~ old_relation.render() ~ ' because it is of type ' ~ old_relation.type) -%}
    {%- do adapter.drop_relation(old_relation) -%}
{%- endmacro %}

{#- A node as it stands in another environment: a clone where the database has them, else a view. -#}
{% macro default__can_clone_table() %}{{ return(false) }}{% endmacro %}
{% macro default__create_or_replace_clone(this_relation, defer_relation) -%}
    create or replace table {{ this_relation.render() }} clone {{ defer_relation.render() }}
{%- endmacro %}

{#- Under the names without an adapter, for those who call them so. -#}
{% macro default__create_schema(relation) -%}{{ return(postgres__create_schema(relation)) }}{%- endmacro %}
{% macro default__drop_schema(relation) -%}{{ return(postgres__drop_schema(relation)) }}{%- endmacro %}
{% macro default__drop_table(relation) -%}{{ return(postgres__drop_table(relation)) }}{%- endmacro %}
{% macro default__drop_view(relation) -%}{{ return(postgres__drop_view(relation)) }}{%- endmacro %}
{% macro default__drop_materialized_view(relation) -%}{{ return(postgres__drop_materialized_view(relation)) }}{%- endmacro %}
{% macro default__list_schemas(database) -%}{{ return(postgres__list_schemas(database)) }}{%- endmacro %}
{% macro default__check_schema_exists(information_schema, schema) -%}
    {{ return(postgres__check_schema_exists(information_schema, schema)) }}
{%- endmacro %}
{% macro default__information_schema_name(database) -%}{{ database ~ '.' if database else '' }}information_schema{%- endmacro %}
