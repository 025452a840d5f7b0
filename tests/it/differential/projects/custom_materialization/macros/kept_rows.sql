{# A table that keeps what it ever held, stamped with the number of the run. #}
{% materialization kept_rows, adapter='postgres', supported_languages=['sql'] %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if existing is none %}
        {% call statement('main') %}
            create table {{ target_relation }} as select 1 as run, s.* from ({{ sql }}) as s
        {% endcall %}
    {% elif existing.is_view %}
        {% do exceptions.raise_compiler_error('a view is in the way of ' ~ this) %}
    {% else %}
        {% set last = run_query('select max(run) from ' ~ this)[0][0] %}
        {% call statement('main') %}
            insert into {{ target_relation }} select {{ last + 1 }}, s.* from ({{ sql }}) as s
        {% endcall %}
    {% endif %}
    {% do create_indexes(target_relation) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# Named as one of dbt's own: it goes first. #}
{% materialization view, default %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        create or replace view {{ target_relation }} as select s.*, true as by_own_view from ({{ sql }}) as s
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
