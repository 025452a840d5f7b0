{{ config(on_schema_change='sync_all_columns') }}
{{ shape() }}
