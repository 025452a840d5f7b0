//! Appointments and what is done in them.
//!
//! Numbers of states are OpenDental's: an appointment is scheduled (1), complete (2), on the
//! unscheduled list (3) or broken (5); a procedure is treatment-planned (1) or complete (2).

use super::{
    codes::{CODES, Work, place},
    desk::Desk,
    office::{self, Category, DENTISTS},
    people::Patient,
    rows::Cell,
};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

/// States of an appointment.
pub(super) mod appointment {
    pub(in super::super) const SCHEDULED: i64 = 1;
    pub(in super::super) const COMPLETE: i64 = 2;
    pub(in super::super) const UNSCHEDULED: i64 = 3;
    pub(in super::super) const BROKEN: i64 = 5;
}

/// States of a procedure.
pub(super) mod procedure {
    pub(in super::super) const PLANNED: i64 = 1;
    pub(in super::super) const COMPLETE: i64 = 2;
}

/// What a visit is for.
pub(super) struct Purpose {
    /// Places in [`CODES`].
    pub(super) codes: Vec<usize>,
    /// Whether it is the hygienist's.
    pub(super) hygiene: bool,
}

/// A checkup with cleaning, as it is done for this patient.
pub(super) fn checkup(desk: &mut Desk, patient: &Patient, first: bool) -> Purpose {
    let mut codes = vec![if first { place::FIRST_EXAM } else { place::EXAM }];
    codes.push(if patient.child { place::CLEANING_CHILD } else { place::CLEANING });
    if patient.child {
        codes.push(place::VARNISH);
    }
    if first {
        codes.push(place::FULL_SERIES);
    } else if desk.random.chance(45) {
        codes.push(place::BITEWINGS);
    }
    Purpose { codes, hygiene: true }
}

/// Something to mend: fillings, bigger work, or an emergency.
pub(super) fn treatment(desk: &mut Desk) -> Purpose {
    let some = |desk: &mut Desk, range: std::ops::Range<usize>| {
        let last = i64::try_from(range.len()).expect("a short range") - 1;
        range.start + usize::try_from(desk.random.between(0, last)).expect("an index is not negative")
    };
    let codes = match desk.random.weighted(&[60, 25, 15]) {
        0 => (0..desk.random.between(1, 3)).map(|_| some(desk, place::FILLINGS)).collect(),
        1 => vec![some(desk, place::MAJOR)],
        _ => vec![place::EMERGENCY, place::IMAGE],
    };
    Purpose { codes, hygiene: false }
}

/// An appointment to be written.
pub(super) struct Booking<'a> {
    pub(super) patient: &'a Patient,
    pub(super) purpose: &'a Purpose,
    pub(super) status: i64,
    pub(super) at: NaiveDateTime,
    pub(super) booked: NaiveDateTime,
    pub(super) is_new_patient: bool,
}

/// Writes the appointment; says its key.
pub(super) fn book(desk: &mut Desk, booking: &Booking<'_>) -> i64 {
    let Booking { patient, purpose, status, at, booked, .. } = *booking;
    let minutes: i64 = purpose.codes.iter().map(|place| CODES[*place].minutes).sum();
    let units = usize::try_from(minutes / 5).expect("minutes are few").max(2);
    let room = if purpose.hygiene { patient.hygienist } else { patient.dentist };
    let short: Vec<_> = purpose.codes.iter().map(|place| CODES[*place].short).collect();
    let came = status == appointment::COMPLETE;
    let never = NaiveDate::from_ymd_opt(1, 1, 1).expect("a day of the calendar").and_time(chrono::NaiveTime::MIN);
    let minutes_after = |count| if came { at + TimeDelta::minutes(count) } else { never };
    let (arrived, seated) = (minutes_after(desk.random.between(-10, 4)), minutes_after(desk.random.between(5, 15)));
    let edited = if status == appointment::SCHEDULED { booked } else { at + TimeDelta::minutes(minutes) };
    let confirmed = *desk.random.pick(&["Not yet confirmed", "Confirmed by text", "Left a message"]);
    let fields = [
        ("PatNum", Cell::from(patient.number)),
        ("AptStatus", status.into()),
        ("Pattern", format!("/{}/", "X".repeat(units - 1)).into()),
        ("Confirmed", office::definition(Category::Confirmed, confirmed).into()),
        ("Op", room.into()),
        ("Note", desk.note()),
        ("ProvNum", patient.dentist.into()),
        ("ProvHyg", if purpose.hygiene { patient.hygienist } else { 0 }.into()),
        ("AptDateTime", at.into()),
        ("IsNewPatient", i64::from(booking.is_new_patient).into()),
        ("ProcDescript", short.join(", ").into()),
        ("ClinicNum", patient.clinic.into()),
        ("IsHygiene", i64::from(purpose.hygiene).into()),
        ("DateTimeArrived", arrived.into()),
        ("DateTimeSeated", seated.into()),
        ("DateTimeDismissed", minutes_after(minutes + 10).into()),
        ("SecUserNumEntry", desk.user().into()),
        ("SecDateTEntry", booked.into()),
        ("DateTStamp", edited.min(desk.now).into()),
    ];
    let number = desk.rows.add("appointment", "AptNum", &fields);
    remember(desk, booking, number);
    desk.log(25, patient.number, number, booked, "Appointment made");
    number
}

/// The practice's own record of what became of an appointment.
fn remember(desk: &mut Desk, booking: &Booking<'_>, number: i64) {
    let fields = [
        ("HistUserNum", Cell::from(desk.user())),
        ("HistDateTStamp", booking.booked.into()),
        ("HistApptAction", 0.into()),
        ("AptNum", number.into()),
        ("PatNum", booking.patient.number.into()),
        ("AptStatus", booking.status.into()),
        ("AptDateTime", booking.at.into()),
        ("ProvNum", booking.patient.dentist.into()),
        ("ClinicNum", booking.patient.clinic.into()),
        ("DateTStamp", booking.booked.into()),
    ];
    desk.rows.add("histappointment", "HistApptNum", &fields);
}

/// A procedure that was charted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charted {
    pub(super) number: i64,
    /// Its place in [`CODES`].
    pub(super) code: usize,
    /// The fee, in cents.
    pub(super) fee: i64,
    pub(super) provider: i64,
}

/// Charts a procedure, planned or done.
pub(super) fn chart(
    desk: &mut Desk,
    patient: &Patient,
    apt: i64,
    code: usize,
    status: i64,
    at: NaiveDateTime,
) -> Charted {
    let kind = CODES[code].kind;
    let provider = if kind == Work::Preventive { patient.hygienist } else { patient.dentist };
    debug_assert!(patient.hygienist > DENTISTS);
    let fee = CODES[code].fee;
    let done = status == procedure::COMPLETE;
    let (tooth, surface) = if kind.has_tooth() {
        (desk.random.between(1, 32).to_string(), *desk.random.pick(&["O", "MO", "DO", "MOD", "B", ""]))
    } else {
        (String::new(), "")
    };
    let never = NaiveDate::from_ymd_opt(1, 1, 1).expect("a day of the calendar");
    let fields = [
        ("PatNum", Cell::from(patient.number)),
        ("AptNum", apt.into()),
        ("ProcDate", at.date().into()),
        ("ProcFee", Cell::Cents(fee)),
        ("Surf", surface.into()),
        ("ToothNum", tooth.into()),
        ("ProcStatus", status.into()),
        ("ProvNum", provider.into()),
        ("DateEntryC", if done { at.date() } else { never }.into()),
        ("ClinicNum", patient.clinic.into()),
        ("CodeNum", office::key_of(code).into()),
        ("UnitQty", 1.into()),
        ("DateTP", at.date().into()),
        ("DateComplete", if done { at.date() } else { never }.into()),
        ("SecUserNumEntry", desk.user().into()),
        ("SecDateEntry", at.into()),
        ("DateTStamp", at.min(desk.now).into()),
    ];
    let number = desk.rows.add("procedurelog", "ProcNum", &fields);
    if done && desk.random.chance(75) {
        annotate(desk, patient.number, number, at);
    }
    Charted { number, code, fee, provider }
}

/// Writes a clinical note: a table without a stamp, as in real life.
pub(super) fn annotate(desk: &mut Desk, patient: i64, procedure: i64, at: NaiveDateTime) {
    let fields = [
        ("PatNum", Cell::from(patient)),
        ("ProcNum", procedure.into()),
        ("EntryDateTime", at.into()),
        ("UserNum", desk.user().into()),
        ("Note", desk.note()),
    ];
    desk.rows.add("procnote", "ProcNoteNum", &fields);
}
