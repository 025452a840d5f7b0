{% macro write_entry(text) %}
    insert into {{ target.schema }}.diary (entry) values ('{{ text | replace("'", "''") }}')
{% endmacro %}

{% macro write_results(results) %}
    {% for result in results | sort(attribute='node.unique_id') %}
        {% if result.node.resource_type in ('model', 'seed') %}
            {{ write_entry(result.node.name ~ ' ' ~ result.status ~ ' ' ~ (result.failures is none)) }};
        {% else %}
            {{ write_entry(result.node.name ~ ' ' ~ result.status ~ ' ' ~ result.failures) }};
        {% endif %}
    {% endfor %}
{% endmacro %}

{% macro tidy(keep, note='nothing') %}
    {% set before = run_query('select count(*) as n from ' ~ target.schema ~ '.diary').columns[0].values()[0] %}
    {% do run_query("delete from " ~ target.schema ~ ".diary where entry like 'schemas %'") %}
    {% call statement('tidied') %}
        {{ write_entry('tidied with ' ~ note ~ ', kept ' ~ keep ~ ', ' ~ (before > 0)) }}
    {% endcall %}
    {% do adapter.commit() if not target.nothing %}
{% endmacro %}
