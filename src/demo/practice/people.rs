//! Patients, their families and their insurance.

use super::{
    desk::Desk,
    office::{self, CLINICS, Category, DENTISTS, HYGIENISTS, PLANS},
    rows::Cell,
    words,
};
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime};

/// A patient, as far as visits and money need to know.
#[derive(Clone, Debug)]
pub(super) struct Patient {
    pub(super) number: i64,
    pub(super) guarantor: i64,
    pub(super) clinic: i64,
    pub(super) dentist: i64,
    pub(super) hygienist: i64,
    pub(super) child: bool,
    pub(super) insured: Option<Insured>,
}

/// By whom a patient is insured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Insured {
    pub(super) plan: i64,
    pub(super) subscription: i64,
}

/// Registers a family of up to `members_max` on a day; the first one pays.
pub(super) fn family(desk: &mut Desk, since: NaiveDateTime, members_max: i64) -> Vec<Patient> {
    let members = desk.random.between(1, members_max);
    let last_name = *desk.random.pick(&words::LAST_NAMES);
    let street = format!("{} {}", desk.random.between(1, 999), desk.random.pick(&words::STREETS));
    let town = *desk.random.pick(&words::TOWNS);
    let home = Home {
        guarantor: desk.rows.last_key("patient") + 1,
        last_name,
        street,
        town,
        clinic: desk.random.between(1, CLINICS),
        dentist: desk.random.between(1, DENTISTS),
        hygienist: DENTISTS + desk.random.between(1, HYGIENISTS),
    };
    let plan = if desk.random.chance(68) { Some(desk.random.between(1, PLANS)) } else { None };
    let mut subscription = 0;
    (0..members)
        .map(|member| {
            let mut patient = register(desk, &home, member, since);
            if let Some(plan) = plan {
                if member == 0 {
                    subscription = subscribe(desk, plan, patient.number, since);
                }
                insure(desk, &patient, member, subscription, since);
                patient.insured = Some(Insured { plan, subscription });
            }
            patient
        })
        .collect()
}

struct Home {
    guarantor: i64,
    last_name: &'static str,
    street: String,
    town: (&'static str, &'static str),
    clinic: i64,
    dentist: i64,
    hygienist: i64,
}

fn register(desk: &mut Desk, home: &Home, member: i64, since: NaiveDateTime) -> Patient {
    let age = if member < 2 { desk.random.between(21, 88) } else { desk.random.between(3, 17) };
    let born = desk.now.date().with_day(1).unwrap_or(desk.now.date())
        - Days::new(u64::try_from(age * 365 + desk.random.between(0, 364)).expect("ages are positive"));
    let number = desk.rows.last_key("patient") + 1;
    let first_name = *desk.random.pick(&words::FIRST_NAMES);
    let fields = [
        ("LName", Cell::from(home.last_name)),
        ("FName", first_name.into()),
        ("Preferred", if desk.random.chance(8) { "Sunny 🦷" } else { "" }.into()),
        ("PatStatus", if desk.random.chance(94) { 0 } else { 2 }.into()),
        ("Gender", desk.random.between(0, 1).into()),
        ("Position", i64::from(member < 2).into()),
        // Unknown birthdays come in both spellings of "no date", and one with the month alone.
        ("Birthdate", birthday(number, born)),
        ("Address", home.street.clone().into()),
        ("City", home.town.0.into()),
        ("State", "IL".into()),
        ("Zip", home.town.1.into()),
        ("HmPhone", phone(desk).into()),
        ("WirelessPhone", phone(desk).into()),
        ("Email", if desk.random.chance(60) { format!("p{number}@example.org") } else { String::new() }.into()),
        ("Guarantor", home.guarantor.into()),
        ("PriProv", home.dentist.into()),
        ("SecProv", home.hygienist.into()),
        ("FeeSched", 0.into()),
        ("BillingType", office::definition(Category::Billing, "Standard").into()),
        ("ClinicNum", home.clinic.into()),
        ("DateFirstVisit", since.date().into()),
        ("AddrNote", if desk.random.chance(5) { desk.note() } else { "".into() }),
        ("TxtMsgOk", desk.random.between(0, 2).into()),
        ("SchedDayOfWeek", if number % 997 == 0 { 255 } else { 0 }.into()),
        ("SecDateEntry", since.date().into()),
        ("DateTStamp", since.into()),
    ];
    desk.rows.add("patient", "PatNum", &fields);
    let fields = [("PatNum", Cell::from(number)), ("Medical", desk.note()), ("SecDateTEdit", since.into())];
    desk.rows.add_keyed("patientnote", &fields);
    desk.log(1, number, number, since, "Patient created");
    Patient {
        number,
        guarantor: home.guarantor,
        clinic: home.clinic,
        dentist: home.dentist,
        hygienist: home.hygienist,
        child: age < 14,
        insured: None,
    }
}

fn birthday(number: i64, born: NaiveDate) -> Cell {
    match number % 499 {
        17 => "0001-01-01".into(),
        18 => "0000-00-00".into(),
        19 => "1980-11-00".into(),
        20 => "1900-01-01".into(),
        _ => born.into(),
    }
}

pub(super) fn phone(desk: &mut Desk) -> String {
    format!("(217)555-{:04}", desk.random.between(0, 9999))
}

fn subscribe(desk: &mut Desk, plan: i64, subscriber: i64, since: NaiveDateTime) -> i64 {
    let fields = [
        ("PlanNum", Cell::from(plan)),
        ("Subscriber", subscriber.into()),
        ("DateEffective", since.date().into()),
        ("SubscriberID", format!("S{:08}", desk.random.between(0, 99_999_999)).into()),
        ("AssignBen", 1.into()),
        ("SecDateTEdit", since.into()),
    ];
    let subscription = desk.rows.add("inssub", "InsSubNum", &fields);
    let fields = [
        ("DateLastVerified", Cell::from(since.date())),
        ("UserNum", desk.user().into()),
        ("VerifyType", 1.into()),
        ("FKey", subscription.into()),
        ("HoursAvailableForVerification", Cell::Cents(4_800)),
        ("SecDateTEdit", since.into()),
    ];
    desk.rows.add("insverify", "InsVerifyNum", &fields);
    subscription
}

fn insure(desk: &mut Desk, patient: &Patient, member: i64, subscription: i64, since: NaiveDateTime) {
    let fields = [
        ("PatNum", Cell::from(patient.number)),
        ("Ordinal", 1.into()),
        ("Relationship", member.min(2).into()),
        ("InsSubNum", subscription.into()),
        ("SecDateTEntry", since.into()),
        ("SecDateTEdit", since.into()),
    ];
    desk.rows.add("patplan", "PatPlanNum", &fields);
}
