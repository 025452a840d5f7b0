{#- How OpenDental writes what it doesn't know, turned into nulls. Every macro takes a column's own name. -#}

{#- "No date" is the year 1, or 1900-01-01. -#}
{% macro opendental_date(column) -%}
    case when "{{ column }}" > '1900-01-01' then "{{ column }}" end
{%- endmacro %}

{#- 0 refers to nothing. -#}
{% macro opendental_reference(column) -%}
    nullif("{{ column }}", 0)
{%- endmacro %}

{#- Money is a double at the source: cents, exactly. -#}
{% macro opendental_money(column) -%}
    "{{ column }}"::numeric(12, 2)
{%- endmacro %}

{#- Only for columns that OpenDental itself treats as yes or no; anything but 0 is yes. -#}
{% macro opendental_flag(column) -%}
    ("{{ column }}" <> 0)
{%- endmacro %}

{% macro opendental_text(column) -%}
    nullif("{{ column }}", '')
{%- endmacro %}

{#- The day it is in the clinic. -#}
{% macro clinic_today() -%}
    (current_timestamp at time zone '{{ var("clinic_timezone", "UTC") }}')::date
{%- endmacro %}
