-- Everything that moves a patient's balance, signed: charges above zero, credits below.
select patient_id, procedure_date as transaction_date, 'procedure' as kind, production_amount as amount
from {{ ref('int_completed_procedures') }}
union all
select patient_id, adjustment_date, 'adjustment', adjustment_amount
from {{ ref('stg_opendental__adjustment') }}
union all
select patient_id, payment_date, 'payment', -split_amount
from {{ ref('stg_opendental__paysplit') }}
union all
select patient_id, payment_date, 'insurance payment', -insurance_payment_amount
from {{ ref('int_insurance_receipts') }}
union all
select patient_id, payment_date, 'write-off', -write_off
from {{ ref('int_insurance_receipts') }}
