{{ config(on_schema_change='fail') }}
{{ shape() }}
