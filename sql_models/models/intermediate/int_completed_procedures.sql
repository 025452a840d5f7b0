-- Completed procedures (ProcStatus 2) with the fee as OpenDental counts it: times the units, at least one.
select
    procedure_id,
    patient_id,
    appointment_id,
    procedure_code_id,
    provider_id,
    clinic_id,
    procedure_date,
    (procedure_fee * greatest(1, unit_quantity + base_units))::numeric(12, 2) as production_amount
from {{ ref('stg_opendental__procedurelog') }}
where procedure_status = 2
