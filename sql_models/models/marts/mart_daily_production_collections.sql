-- What was produced and what was collected, by day, provider and clinic. Each amount stands on its own
-- date: a procedure's on the day it was done, a payment's on the day it came.
{{ config(indexes=[{'columns': ['production_date']}]) }}

with movements as (
    select procedure_date as production_date, provider_id, clinic_id,
           production_amount as gross_production, 0 as adjustments, 0 as write_offs,
           0 as patient_payments, 0 as insurance_payments
    from {{ ref('int_completed_procedures') }}
    union all
    select adjustment_date, provider_id, clinic_id, 0, adjustment_amount, 0, 0, 0
    from {{ ref('stg_opendental__adjustment') }}
    union all
    select payment_date, provider_id, clinic_id, 0, 0, write_off, 0, insurance_payment_amount
    from {{ ref('int_insurance_receipts') }}
    union all
    select payment_date, provider_id, clinic_id, 0, 0, 0, split_amount, 0
    from {{ ref('stg_opendental__paysplit') }}
),

summed as (
    select
        production_date,
        coalesce(provider_id, 0) as provider_id,
        coalesce(clinic_id, 0) as clinic_id,
        sum(gross_production)::numeric(14, 2) as gross_production,
        sum(adjustments)::numeric(14, 2) as adjustments,
        sum(write_offs)::numeric(14, 2) as write_offs,
        sum(patient_payments)::numeric(14, 2) as patient_payments,
        sum(insurance_payments)::numeric(14, 2) as insurance_payments
    from movements
    where production_date is not null
    group by 1, 2, 3
)

select
    concat_ws('-', to_char(summed.production_date, 'YYYYMMDD'), summed.provider_id, summed.clinic_id) as production_key,
    summed.production_date,
    summed.provider_id,
    provider.abbreviation as provider_abbreviation,
    summed.clinic_id,
    summed.gross_production,
    summed.adjustments,
    summed.write_offs,
    summed.gross_production + summed.adjustments - summed.write_offs as net_production,
    summed.patient_payments,
    summed.insurance_payments,
    summed.patient_payments + summed.insurance_payments as collections
from summed
left join {{ ref('stg_opendental__provider') }} as provider on provider.provider_id = summed.provider_id
where gross_production <> 0 or adjustments <> 0 or write_offs <> 0 or patient_payments <> 0 or insurance_payments <> 0
