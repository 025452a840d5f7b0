//! A patient's years: visits kept and missed, what they cost, and who paid when.

use super::{
    codes::place,
    desk::Desk,
    money, papers,
    people::Patient,
    work::{self, Booking, Charted, Purpose, appointment, procedure},
};
use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};

/// More visits than this in the history means a mistake in it.
const VISITS_MAX: usize = 64;

/// Writes everything that happened to a patient since a day.
pub(super) fn write(desk: &mut Desk, patient: &Patient, since: NaiveDate) {
    let mut day = since;
    let mut mending = false;
    for visit in 0..VISITS_MAX {
        let first = visit == 0;
        let at = desk.slot(day);
        let booked = (at - TimeDelta::days(desk.random.between(3, 45))).max(desk.opened);
        if booked > desk.now {
            break;
        }
        let purpose = if mending { work::treatment(desk) } else { work::checkup(desk, patient, first) };
        let booking =
            Booking { patient, purpose: &purpose, status: appointment::SCHEDULED, at, booked, is_new_patient: first };
        if at > desk.now {
            await_visit(desk, &booking);
            break;
        }
        let kept = past_visit(desk, &booking);
        mending = kept && !mending && desk.random.chance(35);
        if desk.random.chance(4) {
            break;
        }
        let pause = if mending { desk.random.between(10, 45) } else { desk.random.between(165, 215) };
        day = at.date() + days(if kept { pause } else { pause / 6 });
    }
    papers::write(desk, patient, desk.opened.max(since.and_time(chrono::NaiveTime::MIN)));
}

fn days(count: i64) -> Days {
    Days::new(u64::try_from(count).expect("a pause is not negative"))
}

/// An appointment to come, with what is planned for it.
pub(super) fn await_visit(desk: &mut Desk, booking: &Booking<'_>) {
    let number = work::book(desk, booking);
    for code in &booking.purpose.codes {
        work::chart(desk, booking.patient, number, *code, procedure::PLANNED, booking.booked);
    }
}

/// A visit that was to be. Says whether it was kept.
fn past_visit(desk: &mut Desk, booking: &Booking<'_>) -> bool {
    match desk.random.weighted(&[87, 8, 3, 2]) {
        0 => {
            let number = work::book(desk, &Booking { status: appointment::COMPLETE, ..*booking });
            let Booking { patient, purpose, at, .. } = *booking;
            let codes = &purpose.codes;
            let done: Vec<_> =
                codes.iter().map(|code| work::chart(desk, patient, number, *code, procedure::COMPLETE, at)).collect();
            settle(desk, patient, at.date(), &done);
            if purpose.hygiene && desk.random.chance(25) {
                plan(desk, patient, at);
            }
            return true;
        }
        1 => miss(desk, booking),
        2 => {
            work::book(desk, &Booking { status: appointment::UNSCHEDULED, ..*booking });
        }
        // Nobody has said what became of it: real books hold such appointments.
        _ => await_visit(desk, booking),
    }
    false
}

fn miss(desk: &mut Desk, booking: &Booking<'_>) {
    let number = work::book(desk, &Booking { status: appointment::BROKEN, ..*booking });
    let absence = if desk.random.chance(60) { place::MISSED } else { place::CANCELLED };
    work::chart(desk, booking.patient, number, absence, procedure::COMPLETE, booking.at);
}

/// Plans treatment that has no appointment yet.
fn plan(desk: &mut Desk, patient: &Patient, at: NaiveDateTime) {
    let Purpose { codes, .. } = work::treatment(desk);
    let charted: Vec<_> =
        codes.iter().map(|code| work::chart(desk, patient, 0, *code, procedure::PLANNED, at).number).collect();
    papers::treatment_plan(desk, patient, at, &charted);
}

/// The money of one visit, as far as it has come by now.
fn settle(desk: &mut Desk, patient: &Patient, day: NaiveDate, done: &[Charted]) {
    let today = desk.now.date();
    let answered = day + days(desk.random.between(8, 40));
    let settled = (answered <= today && desk.random.chance(96)).then_some(answered);
    let mut dues = money::bill(desk, patient, day, done, settled);
    if dues.is_empty() {
        return;
    }
    if desk.random.chance(6) {
        let discount = dues[0].cents / 10;
        if discount > 0 {
            money::adjust(desk, &dues[0], day, "Courtesy discount", -discount);
            dues[0].cents -= discount;
        }
    }
    let later = day + days(desk.random.between(20, 75));
    match desk.random.weighted(&[62, 20, 8, 10]) {
        0 => {
            if desk.random.chance(3) {
                dues.push(money::Due { procedure: 0, cents: 5_000, ..dues[0] });
            }
            money::pay(desk, patient.guarantor, day, &dues);
        }
        1 if later <= today => money::pay(desk, patient.guarantor, later, &dues),
        2 => {
            for due in &mut dues {
                due.cents -= due.cents / 2;
            }
            money::pay(desk, patient.guarantor, day, &dues);
        }
        _ => {
            if later <= today && desk.random.chance(20) {
                money::adjust(desk, &dues[0], later, "Late fee", 2_500);
            }
            papers::statement(desk, patient, later.min(today), dues.iter().map(|due| due.cents).sum());
        }
    }
}
