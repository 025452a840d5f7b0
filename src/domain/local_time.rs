//! Times on the face of a clock that is put forward and back.
//!
//! Pure. A zone's clock leaves an hour out in spring; these tell when such a gap is over.

use chrono::{DateTime, Duration, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

/// The moment between two at which the clock of a zone is put forward or back, to the second.
pub fn change(zone: Tz, before: DateTime<Utc>, after: DateTime<Utc>) -> DateTime<Utc> {
    let offset = |t: i64| {
        let t = DateTime::from_timestamp(t, 0).expect("it lies between two times");
        zone.offset_from_utc_datetime(&t.naive_utc()).fix()
    };
    let (mut low, mut high) = (before.timestamp(), after.timestamp());
    let old = offset(low);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(middle) == old { low = middle } else { high = middle }
    }
    DateTime::from_timestamp(high, 0).expect("it lies between two times")
}

/// When a time on the clock's face is over that the clock leaves out.
pub fn end_of_gap(zone: Tz, face: NaiveDateTime) -> DateTime<Utc> {
    change(zone, face.and_utc() - Duration::days(1), face.and_utc() + Duration::days(1))
}
