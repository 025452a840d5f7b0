-- Appointments by day and provider. The rate is that of no-shows among those that should have come.
select
    concat_ws('-', to_char(appointment_date, 'YYYYMMDD'), coalesce(provider_id, 0)) as no_show_key,
    appointment_date,
    coalesce(provider_id, 0) as provider_id,
    max(provider_abbreviation) as provider_abbreviation,
    count(*) as appointments,
    count(*) filter (where outcome = 'scheduled') as scheduled,
    count(*) filter (where outcome = 'kept') as kept,
    count(*) filter (where outcome = 'no_show') as no_shows,
    count(*) filter (where outcome = 'cancelled') as cancelled,
    round(
        count(*) filter (where outcome = 'no_show')::numeric
        / nullif(count(*) filter (where outcome in ('kept', 'no_show')), 0),
        4
    ) as no_show_rate
from {{ ref('mart_appointments') }}
group by appointment_date, coalesce(provider_id, 0)
