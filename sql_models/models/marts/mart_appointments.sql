-- One row an appointment that was or is on the schedule, with what became of it. Planned appointments,
-- the unscheduled list and notes are not on it.
{{ config(indexes=[{'columns': ['appointment_date']}]) }}

with cancelled as (
    -- A broken appointment is a no-show unless it carries D9987, "cancelled appointment".
    select distinct p.appointment_id
    from {{ ref('stg_opendental__procedurelog') }} as p
    join {{ ref('stg_opendental__procedurecode') }} as c on c.procedure_code_id = p.procedure_code_id
    where c.procedure_code = 'D9987' and p.appointment_id is not null
)

select
    a.appointment_id,
    a.patient_id,
    a.provider_id,
    provider.abbreviation as provider_abbreviation,
    a.hygienist_id,
    a.clinic_id,
    a.operatory_id,
    a.starts_at,
    a.starts_at::date as appointment_date,
    -- The pattern has one character for five minutes.
    coalesce(length(a.time_pattern), 0) * 5 as length_minutes,
    case a.appointment_status
        when 1 then 'scheduled'
        when 2 then 'kept'
        when 4 then 'scheduled'
        when 5 then case when cancelled.appointment_id is null then 'no_show' else 'cancelled' end
    end as outcome,
    a.is_new_patient,
    a.is_hygiene,
    (extract(epoch from a.seated_at - a.arrived_at) / 60)::int as waiting_minutes
from {{ ref('stg_opendental__appointment') }} as a
left join cancelled on cancelled.appointment_id = a.appointment_id
left join {{ ref('stg_opendental__provider') }} as provider on provider.provider_id = a.provider_id
where a.appointment_status in (1, 2, 4, 5) and a.starts_at is not null
