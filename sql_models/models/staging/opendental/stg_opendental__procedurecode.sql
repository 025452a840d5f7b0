select
    "CodeNum" as procedure_code_id,
    "ProcCode" as procedure_code,
    {{ opendental_text('Descript') }} as description,
    {{ opendental_text('AbbrDesc') }} as abbreviated_description,
    {{ opendental_text('LaymanTerm') }} as layman_term,
    {{ opendental_reference('ProcCat') }} as category_id,
    "TreatArea" as treatment_area,
    {{ opendental_flag('IsHygiene') }} as is_hygiene,
    {{ opendental_flag('IsProsth') }} as is_prosthetic,
    {{ opendental_flag('IsRadiology') }} as is_radiology,
    "BaseUnits" as base_units,
    "DateTStamp" as updated_at,
    _loaded_at
from {{ source('opendental', 'procedurecode') }}
