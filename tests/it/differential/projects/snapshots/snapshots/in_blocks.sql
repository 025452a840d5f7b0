{% snapshot by_stamp %}
{{ config(unique_key='id', strategy='timestamp', updated_at='changed_at') }}
select * from {{ ref('people') }}
{% endsnapshot %}

{% snapshot by_all_columns %}
{{ config(unique_key='id', strategy='check', check_cols='all', invalidate_hard_deletes=true) }}
select id, team, score from {{ ref('people') }}
{% endsnapshot %}
