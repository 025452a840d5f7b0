select f.id, o.loaded_at is not null as has_old from {{ source('landing', 'fresh') }} as f
left join {{ source('landing', 'old') }} as o using (id)
union all select id, false from {{ source('landing', 'without') }}
