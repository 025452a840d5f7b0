select
    "PayNum" as payment_id,
    {{ opendental_reference('PatNum') }} as patient_id,
    {{ opendental_reference('ClinicNum') }} as clinic_id,
    {{ opendental_reference('PayType') }} as payment_type_id,
    {{ opendental_reference('DepositNum') }} as deposit_id,
    {{ opendental_date('PayDate') }} as payment_date,
    {{ opendental_date('DateEntry') }} as entry_date,
    {{ opendental_money('PayAmt') }} as payment_amount,
    {{ opendental_money('MerchantFee') }} as merchant_fee,
    {{ opendental_flag('IsSplit') }} as is_split,
    "PaymentSource" as payment_source,
    "ProcessStatus" as process_status,
    "SecDateTEdit" as updated_at,
    _loaded_at
from {{ source('opendental', 'payment') }}
