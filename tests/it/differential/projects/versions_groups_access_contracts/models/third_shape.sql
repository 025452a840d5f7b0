select 3 as id, {{ model.version }} as version, '{{ model.name }}' as name
