select
    "SplitNum" as paysplit_id,
    {{ opendental_reference('PayNum') }} as payment_id,
    {{ opendental_reference('PatNum') }} as patient_id,
    {{ opendental_reference('ProcNum') }} as procedure_id,
    {{ opendental_reference('AdjNum') }} as adjustment_id,
    {{ opendental_reference('PayPlanNum') }} as payment_plan_id,
    {{ opendental_reference('ProvNum') }} as provider_id,
    {{ opendental_reference('ClinicNum') }} as clinic_id,
    {{ opendental_reference('UnearnedType') }} as unearned_type_id,
    {{ opendental_date('DatePay') }} as payment_date,
    {{ opendental_date('ProcDate') }} as procedure_date,
    {{ opendental_date('DateEntry') }} as entry_date,
    {{ opendental_money('SplitAmt') }} as split_amount,
    {{ opendental_flag('IsDiscount') }} as is_discount,
    "SecDateTEdit" as updated_at,
    _loaded_at
from {{ source('opendental', 'paysplit') }}
