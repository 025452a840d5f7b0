{{ config(tags=['in_file'], meta={'level': 3, 'more': [1, 2]}) }}
select id, "Name" as name, '{{ config.get("tags") | join(",") }}' as tags, '{{ tojson(config.get("meta"), sort_keys=true) }}' as meta,
    '{{ config.require("materialized") }}' as materialized, '{{ model.config.schema }}' as schema_name
from {{ ref('top') }}
