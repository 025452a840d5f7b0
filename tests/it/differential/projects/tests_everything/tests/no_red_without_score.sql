select id from {{ ref('people') }} where team = 'red' and score is null
