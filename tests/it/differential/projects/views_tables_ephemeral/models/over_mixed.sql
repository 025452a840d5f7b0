select "Id" from {{ ref('Mixed_Case') }} where is_late
