{{ config(on_schema_change='sync_all_columns') }}
select 1 as id, {% if var('second', false) %}'text'{% else %}5{% endif %} as changes_type
