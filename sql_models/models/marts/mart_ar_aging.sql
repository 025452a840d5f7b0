-- What each patient owes today, and for how long. Credits pay the oldest charges first; a credit that is
-- left over stands by itself. Payment plans are not told apart.
with as_of as (
    select {{ clinic_today() }} as today
),

transactions as (
    select t.patient_id, t.transaction_date, t.amount, as_of.today
    from {{ ref('int_account_transactions') }} as t
    cross join as_of
    where t.patient_id is not null and t.transaction_date <= as_of.today and t.amount <> 0
),

credits as (
    select patient_id, -sum(amount) as credit
    from transactions
    where amount < 0
    group by patient_id
),

charges as (
    select patient_id, transaction_date, today, sum(amount) as charge
    from transactions
    where amount > 0
    group by patient_id, transaction_date, today
),

running as (
    select
        patient_id,
        today - transaction_date as age_days,
        charge,
        sum(charge) over (partition by patient_id order by transaction_date) as charged_so_far
    from charges
),

open_charges as (
    select
        running.patient_id,
        running.age_days,
        least(running.charge, greatest(0, running.charged_so_far - coalesce(credits.credit, 0))) as open_amount
    from running
    left join credits on credits.patient_id = running.patient_id
),

aged as (
    select
        patient_id,
        coalesce(sum(open_amount) filter (where age_days <= 30), 0) as balance_0_30,
        coalesce(sum(open_amount) filter (where age_days between 31 and 60), 0) as balance_31_60,
        coalesce(sum(open_amount) filter (where age_days between 61 and 90), 0) as balance_61_90,
        coalesce(sum(open_amount) filter (where age_days > 90), 0) as balance_over_90
    from open_charges
    group by patient_id
),

balances as (
    select patient_id, sum(amount) as balance
    from transactions
    group by patient_id
),

pending as (
    -- Status 0: on a claim, not yet received.
    select patient_id, sum(insurance_payment_estimate) as insurance_pending
    from {{ ref('stg_opendental__claimproc') }}
    where claimproc_status = 0 and insurance_payment_estimate > 0
    group by patient_id
)

select
    patient.patient_id,
    coalesce(patient.guarantor_id, patient.patient_id) as guarantor_id,
    patient.clinic_id,
    as_of.today as as_of_date,
    balances.balance::numeric(14, 2) as balance,
    coalesce(aged.balance_0_30, 0)::numeric(14, 2) as balance_0_30,
    coalesce(aged.balance_31_60, 0)::numeric(14, 2) as balance_31_60,
    coalesce(aged.balance_61_90, 0)::numeric(14, 2) as balance_61_90,
    coalesce(aged.balance_over_90, 0)::numeric(14, 2) as balance_over_90,
    greatest(0, -balances.balance)::numeric(14, 2) as unapplied_credit,
    coalesce(pending.insurance_pending, 0)::numeric(14, 2) as insurance_pending,
    (balances.balance - coalesce(pending.insurance_pending, 0))::numeric(14, 2) as patient_portion
from balances
join {{ ref('stg_opendental__patient') }} as patient on patient.patient_id = balances.patient_id
cross join as_of
left join aged on aged.patient_id = balances.patient_id
left join pending on pending.patient_id = balances.patient_id
where balances.balance <> 0
