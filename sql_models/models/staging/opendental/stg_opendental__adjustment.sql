select
    "AdjNum" as adjustment_id,
    {{ opendental_reference('PatNum') }} as patient_id,
    {{ opendental_reference('ProcNum') }} as procedure_id,
    {{ opendental_reference('ProvNum') }} as provider_id,
    {{ opendental_reference('ClinicNum') }} as clinic_id,
    {{ opendental_reference('AdjType') }} as adjustment_type_id,
    {{ opendental_date('AdjDate') }} as adjustment_date,
    {{ opendental_date('ProcDate') }} as procedure_date,
    {{ opendental_date('DateEntry') }} as entry_date,
    {{ opendental_money('AdjAmt') }} as adjustment_amount,
    "SecDateTEdit" as updated_at,
    _loaded_at
from {{ source('opendental', 'adjustment') }}
