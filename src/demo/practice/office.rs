//! The practice itself: who works there, what it is owed for what, and with whom it settles.

use super::{
    codes::{CATEGORIES, CODES, Work},
    desk::Desk,
    rows::Cell,
    words,
};
use chrono::{Datelike, Days, NaiveTime, TimeDelta};

/// Dentists have the keys from 1, hygienists the next ones.
pub(super) const DENTISTS: i64 = 5;
pub(super) const HYGIENISTS: i64 = 3;
pub(super) const CLINICS: i64 = 2;
pub(super) const USERS: i64 = 12;
const EMPLOYEES: i64 = 14;
pub(super) const PLANS: i64 = 40;

/// What a plan allows of the practice's fee, in percent; the rest is written off. A plan's place in
/// this list is its key's remainder, and the key of its fee schedule is its place plus one.
const ALLOWED_PERCENT: [i64; 4] = [100, 80, 75, 70];

/// Categories of definitions, by OpenDental's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Adjustment = 1,
    Confirmed = 2,
    Billing = 4,
    Payment = 10,
    Code = 11,
    Recall = 13,
    Image = 18,
    Comm = 27,
    Unearned = 29,
}

const DEFINITIONS: [(Category, &str, &str); 29] = [
    (Category::Adjustment, "Courtesy discount", "-"),
    (Category::Adjustment, "Uncollectable", "-"),
    (Category::Adjustment, "Late fee", "+"),
    (Category::Adjustment, "Refund", "+"),
    (Category::Confirmed, "Not yet confirmed", ""),
    (Category::Confirmed, "Confirmed by text", ""),
    (Category::Confirmed, "Left a message", ""),
    (Category::Billing, "Standard", ""),
    (Category::Billing, "No statements", ""),
    (Category::Billing, "Collections", ""),
    (Category::Payment, "Check", ""),
    (Category::Payment, "Cash", ""),
    (Category::Payment, "Card", ""),
    (Category::Payment, "Online", ""),
    (Category::Code, CATEGORIES[0], ""),
    (Category::Code, CATEGORIES[1], ""),
    (Category::Code, CATEGORIES[2], ""),
    (Category::Code, CATEGORIES[3], ""),
    (Category::Code, CATEGORIES[4], ""),
    (Category::Recall, "To be called", ""),
    (Category::Recall, "Postcard sent", ""),
    (Category::Recall, "Texted", ""),
    (Category::Image, "Bitewings", "X"),
    (Category::Image, "Letters", "L"),
    (Category::Image, "Photos", ""),
    (Category::Comm, "Appointment", ""),
    (Category::Comm, "Money", "FIN"),
    (Category::Comm, "Recall", "RECALL"),
    (Category::Unearned, "Prepayment", ""),
];

/// The key of a definition. The practice's own lists are known when it is written.
pub(super) fn definition(category: Category, name: &str) -> i64 {
    let place = DEFINITIONS.iter().position(|found| found.0 == category && found.1 == name);
    key_of(place.expect("the definition stands in the list above"))
}

/// The key of a code.
pub(super) fn key_of(place: usize) -> i64 {
    i64::try_from(place).expect("a place in a short list fits") + 1
}

/// What a plan allows of a fee, in cents.
pub(super) fn allowed(plan: i64, fee: i64) -> i64 {
    fee * ALLOWED_PERCENT[plan_kind(plan)] / 100
}

fn plan_kind(plan: i64) -> usize {
    usize::try_from(plan).expect("keys are positive") % ALLOWED_PERCENT.len()
}

/// Fills the lists that everything else refers to.
pub(super) fn open(desk: &mut Desk) {
    people(desk);
    rooms(desk);
    lists(desk);
    codes_and_fees(desk);
    insurances(desk);
    working_days(desk);
}

fn people(desk: &mut Desk) {
    for number in 1..=DENTISTS + HYGIENISTS {
        let hygienist = number > DENTISTS;
        let (first, last) = (*desk.random.pick(&words::FIRST_NAMES), *desk.random.pick(&words::LAST_NAMES));
        let fields = [
            ("Abbr", Cell::from(format!("{}{number}", if hygienist { "Hyg" } else { "Doc" }))),
            ("ItemOrder", number.into()),
            ("LName", last.into()),
            ("FName", first.into()),
            ("Suffix", if hygienist { "RDH" } else { "DDS" }.into()),
            ("IsSecondary", i64::from(hygienist).into()),
            ("FeeSched", 1.into()),
            ("NationalProvID", format!("1{:09}", desk.random.between(0, 999_999_999)).into()),
            ("HourlyProdGoalAmt", Cell::Cents(if hygienist { 18_000 } else { 45_000 })),
            // The last dentist has retired: reports must still know the name.
            ("IsHidden", i64::from(number == DENTISTS).into()),
            ("DateTStamp", desk.opened.into()),
        ];
        desk.rows.add("provider", "ProvNum", &fields);
    }
    for _ in 0..EMPLOYEES {
        let fields = [
            ("LName", Cell::from(*desk.random.pick(&words::LAST_NAMES))),
            ("FName", (*desk.random.pick(&words::FIRST_NAMES)).into()),
            ("ClockStatus", "Home".into()),
        ];
        desk.rows.add("employee", "EmployeeNum", &fields);
    }
    for (place, name) in ["Admin", "Front desk", "Doctors"].into_iter().enumerate() {
        desk.rows.add("usergroup", "UserGroupNum", &[("Description", name.into()), ("UserGroupNumCEMT", 0.into())]);
        debug_assert_eq!(desk.rows.last_key("usergroup"), key_of(place));
    }
    for number in 1..=USERS {
        let fields = [
            ("UserName", Cell::from(format!("user{number}"))),
            ("UserGroupNum", (number % 3 + 1).into()),
            ("EmployeeNum", number.into()),
        ];
        desk.rows.add("userod", "UserNum", &fields);
    }
}

fn rooms(desk: &mut Desk) {
    for (name, short) in [("Main Street", "Main"), ("Lakeside", "Lake")] {
        let (town, zip) = *desk.random.pick(&words::TOWNS);
        let fields = [
            ("Description", Cell::from(name)),
            ("Abbr", short.into()),
            ("City", town.into()),
            ("Zip", zip.into()),
            ("State", "IL".into()),
        ];
        desk.rows.add("clinic", "ClinicNum", &fields);
    }
    for number in 1..=DENTISTS + HYGIENISTS {
        let hygiene = number > DENTISTS;
        let fields = [
            ("OpName", Cell::from(format!("Room {number}"))),
            ("Abbrev", format!("R{number}").into()),
            ("ItemOrder", number.into()),
            ("ProvDentist", if hygiene { 0 } else { number }.into()),
            ("ProvHygienist", if hygiene { number } else { 0 }.into()),
            ("IsHygiene", i64::from(hygiene).into()),
            ("ClinicNum", (number % CLINICS + 1).into()),
            ("DateTStamp", desk.opened.into()),
        ];
        desk.rows.add("operatory", "OperatoryNum", &fields);
    }
    for number in 1..=10_i64 {
        let fields = [("CompName", Cell::from(format!("DESK-{number:02}"))), ("LastHeartBeat", desk.now.into())];
        desk.rows.add("computer", "ComputerNum", &fields);
    }
}

fn lists(desk: &mut Desk) {
    for (place, (category, name, value)) in DEFINITIONS.into_iter().enumerate() {
        let fields = [
            ("Category", Cell::from(category as i64)),
            ("ItemOrder", key_of(place).into()),
            ("ItemName", name.into()),
            ("ItemValue", value.into()),
            ("ItemColor", (-desk.random.between(1, 16_777_216)).into()),
        ];
        desk.rows.add("definition", "DefNum", &fields);
    }
    for (name, value) in
        [("PracticeTitle", "Invented Dental"), ("ProgramVersion", "23.3.0.0"), ("AgingIsEnterprise", "0")]
    {
        desk.rows.add("preference", "PrefNum", &[("PrefName", name.into()), ("ValueString", value.into())]);
    }
    let stamp = Cell::from(desk.opened);
    for (place, name) in words::PROBLEMS.into_iter().enumerate() {
        let fields = [("DiseaseName", name.into()), ("ItemOrder", key_of(place).into()), ("DateTStamp", stamp.clone())];
        desk.rows.add("diseasedef", "DiseaseDefNum", &fields);
    }
    for name in words::ALLERGENS {
        desk.rows.add("allergydef", "AllergyDefNum", &[("Description", name.into()), ("DateTStamp", stamp.clone())]);
    }
    for (place, name) in words::DRUGS.into_iter().enumerate() {
        let fields = [("MedName", name.into()), ("GenericNum", key_of(place).into()), ("DateTStamp", stamp.clone())];
        desk.rows.add("medication", "MedicationNum", &fields);
    }
    for (name, days) in [("Cleaning", 183), ("Child cleaning", 183), ("Gum care", 91), ("Full series", 1826)] {
        desk.rows.add("recalltype", "RecallTypeNum", &[("Description", name.into()), ("DefaultInterval", days.into())]);
    }
    for (town, zip) in words::TOWNS {
        let fields = [("ZipCodeDigits", zip.into()), ("City", town.into()), ("State", "IL".into())];
        desk.rows.add("zipcode", "ZipCodeNum", &fields);
    }
    for name in ["Referred by", "Prefers", "Hobby"] {
        desk.rows.add("patfielddef", "PatFieldDefNum", &[("FieldName", name.into())]);
    }
    for name in ["To do", "Insurance", "Lab"] {
        let fields = [("Descript", Cell::from(name)), ("DateTimeEntry", desk.opened.into())];
        desk.rows.add("tasklist", "TaskListNum", &fields);
    }
}

fn codes_and_fees(desk: &mut Desk) {
    for (place, code) in CODES.iter().enumerate() {
        let category = CATEGORIES[code.kind as usize];
        let fields = [
            ("ProcCode", Cell::from(code.code)),
            ("Descript", code.name.into()),
            ("AbbrDesc", code.short.into()),
            // One letter stands for five minutes.
            ("ProcTime", "X".repeat(usize::try_from(code.minutes / 5).expect("minutes are few")).into()),
            ("ProcCat", definition(Category::Code, category).into()),
            ("TreatArea", if code.kind.has_tooth() { 2 } else { 3 }.into()),
            ("IsHygiene", i64::from(code.kind == Work::Preventive).into()),
            ("IsProsth", i64::from(code.code.starts_with("D5")).into()),
            ("DateTStamp", desk.opened.into()),
        ];
        debug_assert_eq!(desk.rows.last_key("procedurecode"), key_of(place) - 1);
        desk.rows.add("procedurecode", "CodeNum", &fields);
    }
    for (place, percent) in ALLOWED_PERCENT.into_iter().enumerate() {
        let name = if percent == 100 { "Standard".to_owned() } else { format!("PPO {percent}%") };
        let fields =
            [("Description", name.into()), ("ItemOrder", key_of(place).into()), ("SecDateTEdit", desk.opened.into())];
        let schedule = desk.rows.add("feesched", "FeeSchedNum", &fields);
        for (place, code) in CODES.iter().enumerate() {
            let fields = [
                ("Amount", Cell::Cents(code.fee * percent / 100)),
                ("FeeSched", schedule.into()),
                ("CodeNum", key_of(place).into()),
                ("SecDateTEdit", desk.opened.into()),
            ];
            desk.rows.add("fee", "FeeNum", &fields);
        }
    }
}

fn insurances(desk: &mut Desk) {
    for name in words::CARRIERS {
        let (town, zip) = *desk.random.pick(&words::TOWNS);
        let fields = [
            ("CarrierName", Cell::from(name)),
            ("City", town.into()),
            ("State", "IL".into()),
            ("Zip", zip.into()),
            ("ElectID", format!("{:05}", desk.random.between(0, 99_999)).into()),
            ("SecDateTEdit", desk.opened.into()),
        ];
        desk.rows.add("carrier", "CarrierNum", &fields);
    }
    for name in words::LAST_NAMES.iter().take(20) {
        desk.rows.add("employer", "EmployerNum", &[("EmpName", format!("{name} & Co").into())]);
    }
    let carriers = desk.rows.last_key("carrier");
    for plan in 1..=PLANS {
        let kind = plan_kind(plan);
        let fields = [
            ("GroupName", Cell::from(format!("Group {plan}"))),
            ("GroupNum", format!("G{:06}", plan * 7919 % 1_000_000).into()),
            ("CarrierNum", (plan % carriers + 1).into()),
            ("EmployerNum", (plan % 20 + 1).into()),
            ("PlanType", if kind == 0 { "" } else { "p" }.into()),
            ("FeeSched", key_of(kind).into()),
            ("SecDateTEdit", desk.opened.into()),
        ];
        desk.rows.add("insplan", "PlanNum", &fields);
        for (work, percent) in [(1_i64, 100), (2, 80), (3, 50)] {
            let fields = [
                ("PlanNum", Cell::from(plan)),
                ("CovCatNum", work.into()),
                ("BenefitType", 1.into()),
                ("Percent", percent.into()),
                ("TimePeriod", 2.into()),
                ("SecDateTEdit", desk.opened.into()),
            ];
            desk.rows.add("benefit", "BenefitNum", &fields);
        }
    }
}

/// Who works when, from the opening to a few weeks ahead; and what was clocked.
fn working_days(desk: &mut Desk) {
    let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour of the day");
    let mut day = desk.opened.date();
    let last = desk.now.date() + Days::new(60);
    while day <= last {
        if day.weekday().number_from_monday() <= 5 {
            for provider in 1..=DENTISTS + HYGIENISTS {
                let fields = [
                    ("SchedDate", Cell::from(day)),
                    ("StartTime", time(8).to_string().into()),
                    ("StopTime", time(if desk.random.chance(20) { 12 } else { 17 }).to_string().into()),
                    ("SchedType", 1.into()),
                    ("ProvNum", provider.into()),
                    ("ClinicNum", (provider % CLINICS + 1).into()),
                    ("DateTStamp", desk.opened.into()),
                ];
                let schedule = desk.rows.add("schedule", "ScheduleNum", &fields);
                let fields = [("ScheduleNum", schedule.into()), ("OperatoryNum", provider.into())];
                desk.rows.add("scheduleop", "ScheduleOpNum", &fields);
            }
            if day < desk.now.date() {
                clock_in(desk, day.and_time(time(8)));
            }
        }
        day = day + Days::new(1);
    }
}

fn clock_in(desk: &mut Desk, morning: chrono::NaiveDateTime) {
    for employee in 1..=EMPLOYEES / 3 {
        let came = morning - TimeDelta::minutes(desk.random.between(0, 20));
        let went = morning + TimeDelta::minutes(desk.random.between(480, 560));
        // Corrections go both ways, and a week's overtime has more hours than a day.
        let adjust = *desk.random.pick(&["00:00:00", "00:00:00", "-00:30:00", "-12:30:00", "00:15:00", "30:15:00"]);
        let fields = [
            ("EmployeeNum", Cell::from(employee)),
            ("TimeEntered1", came.into()),
            ("TimeDisplayed1", came.into()),
            ("TimeEntered2", went.into()),
            ("TimeDisplayed2", went.into()),
            ("Adjust", adjust.into()),
            ("OTimeAuto", "00:00:00".into()),
        ];
        desk.rows.add("clockevent", "ClockEventNum", &fields);
    }
}
