-- The aging at the end of each day, kept: yesterday's can't be computed again, since balances are
-- edited in place. Today's row is replaced until the day is over.
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='as_of_date',
    full_refresh=false
) }}

select
    {{ clinic_today() }} as as_of_date,
    count(*) as accounts,
    coalesce(sum(balance), 0)::numeric(14, 2) as balance,
    coalesce(sum(balance_0_30), 0)::numeric(14, 2) as balance_0_30,
    coalesce(sum(balance_31_60), 0)::numeric(14, 2) as balance_31_60,
    coalesce(sum(balance_61_90), 0)::numeric(14, 2) as balance_61_90,
    coalesce(sum(balance_over_90), 0)::numeric(14, 2) as balance_over_90,
    coalesce(sum(unapplied_credit), 0)::numeric(14, 2) as unapplied_credit,
    coalesce(sum(insurance_pending), 0)::numeric(14, 2) as insurance_pending
from {{ ref('mart_ar_aging') }}
