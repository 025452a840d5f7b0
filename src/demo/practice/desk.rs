//! What every hand in the practice needs: chance, the time, and somewhere to write.

use super::{
    office::USERS,
    random::Random,
    rows::{Cell, Rows},
    words,
};
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// The desk.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) random: Random,
    pub(super) rows: Rows,
    /// When the practice began.
    pub(super) opened: NaiveDateTime,
    /// The present, in the practice's local time.
    pub(super) now: NaiveDateTime,
}

impl Desk {
    /// A note: mostly plain, now and then awkward.
    pub(super) fn note(&mut self) -> Cell {
        match self.random.between(1, 100) {
            1..=3 => (*self.random.pick(&words::AWKWARD_NOTES)).into(),
            4..=70 => (*self.random.pick(&words::NOTES)).into(),
            71..=90 => format!("{}\n{}", self.random.pick(&words::NOTES), self.random.pick(&words::NOTES)).into(),
            _ => "".into(),
        }
    }

    /// Somebody at a keyboard.
    pub(super) fn user(&mut self) -> i64 {
        self.random.between(1, USERS)
    }

    /// A quarter of an hour in working time on that day, or on the next one that is no weekend.
    pub(super) fn slot(&mut self, day: NaiveDate) -> NaiveDateTime {
        let weekend = u64::from(day.weekday().number_from_monday().saturating_sub(5));
        let day = if weekend > 0 { day + Days::new(3 - weekend) } else { day };
        let opening = NaiveTime::from_hms_opt(8, 0, 0).expect("an hour of the day");
        day.and_time(opening) + TimeDelta::minutes(15 * self.random.between(0, 34))
    }

    /// Notes who did what.
    pub(super) fn log(&mut self, permission: i64, patient: i64, record: i64, at: NaiveDateTime, text: &'static str) {
        let fields = [
            ("PermType", Cell::from(permission)),
            ("UserNum", self.user().into()),
            ("LogDateTime", at.into()),
            ("LogText", text.into()),
            ("PatNum", patient.into()),
            ("CompName", format!("DESK-{:02}", self.random.between(1, 10)).into()),
            ("FKey", record.into()),
        ];
        let entry = self.rows.add("securitylog", "SecurityLogNum", &fields);
        let hash = format!("{:016x}", entry.wrapping_mul(0x9e37_79b9_7f4a).unsigned_abs());
        let fields = [("SecurityLogNum", Cell::from(entry)), ("LogHash", hash.into())];
        self.rows.add("securityloghash", "SecurityLogHashNum", &fields);
    }
}
