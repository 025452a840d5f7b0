{{ config(
    indexes=[{'columns': ['id'], 'unique': true}, {'columns': ['name', 'id'], 'type': 'btree'}, {'columns': ['name'], 'type': 'hash'}],
    grants={'select': ['diff_writer']}
) }}
select id, name from {{ ref('bottom') }}
