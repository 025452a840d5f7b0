{{ config(materialized='kept_rows', note='own key', post_hook="create table if not exists {{ target.schema }}.hooked as select '{{ config.get('note') }}' as note") }}
select 'row' as what, '{{ config.get("note", "none") }}' as note
