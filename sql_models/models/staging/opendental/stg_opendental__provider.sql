select
    "ProvNum" as provider_id,
    {{ opendental_text('Abbr') }} as abbreviation,
    "ItemOrder" as item_order,
    {{ opendental_text('LName') }} as last_name,
    {{ opendental_text('FName') }} as first_name,
    {{ opendental_text('Suffix') }} as suffix,
    {{ opendental_reference('FeeSched') }} as fee_schedule_id,
    {{ opendental_reference('Specialty') }} as specialty_id,
    {{ opendental_text('NationalProvID') }} as npi,
    {{ opendental_flag('IsSecondary') }} as is_secondary,
    {{ opendental_flag('IsHidden') }} as is_hidden,
    {{ opendental_flag('IsNotPerson') }} as is_not_person,
    "ProvStatus" as provider_status,
    {{ opendental_money('HourlyProdGoalAmt') }} as hourly_production_goal,
    {{ opendental_date('DateTerm') }} as termination_date,
    "DateTStamp" as updated_at,
    _loaded_at
from {{ source('opendental', 'provider') }}
