-- What insurance has decided: received, supplemental and capitation lines (Status 1, 4, 5, 7). Pending
-- lines, estimates and preauthorizations are no money yet.
select
    claimproc_id,
    claim_id,
    procedure_id,
    patient_id,
    provider_id,
    clinic_id,
    payment_date,
    insurance_payment_amount,
    write_off
from {{ ref('stg_opendental__claimproc') }}
where claimproc_status in (1, 4, 5, 7)
