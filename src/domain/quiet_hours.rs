//! Hours in which the source is left alone.
//!
//! Pure: the time is handed in. Windows are times of day on the clock of a zone. Where that clock is put
//! back, a window goes from the first time that its beginning is shown to the last time that its end is;
//! where it is put forward, what it leaves out ends with the gap. In doubt the source is left alone.

use super::local_time::end_of_gap;
use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use std::{fmt, str::FromStr};

const DAY_MINUTES: u32 = 24 * 60;
/// Windows are looked at so many days around a moment: joined, they last for less than two.
const DAYS_AROUND: i64 = 3;

/// The quiet hours of a source; by default none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    windows: Vec<Window>,
    zone: Tz,
}

/// One window of a day: `12:00-13:30`, or past midnight, `22:00-02:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Minutes after midnight.
    from: u32,
    minutes: u32,
}

/// A text that is no window, or windows that can't be kept to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWindow {
    /// Not two times of day.
    #[error("is not two times of day")]
    Form,
    /// It would be nothing, or all day.
    #[error("begins and ends at the same time")]
    Empty,
    /// Together they leave no minute of the day.
    #[error("leave no time of the day in which the source may be read")]
    AllDay,
}

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        let (from, to) = text.split_once('-').ok_or(NoWindow::Form)?;
        let (from, to) = (minutes(from)?, minutes(to)?);
        match (from, to) {
            (DAY_MINUTES, _) => Err(NoWindow::Form),
            _ if from == to => Err(NoWindow::Empty),
            _ if from < to => Ok(Self { from, minutes: to - from }),
            _ => Ok(Self { from, minutes: to + DAY_MINUTES - from }),
        }
    }
}

/// Minutes after midnight; 24:00 is the day's end.
fn minutes(text: &str) -> Result<u32, NoWindow> {
    let (hours, minutes) = text.trim().split_once(':').ok_or(NoWindow::Form)?;
    let number = |digits: &str, least: usize, below: u32| {
        let is_plain = (least..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|n: &u32| is_plain && *n < below).ok_or(NoWindow::Form)
    };
    let minutes = number(hours, 1, 25)? * 60 + number(minutes, 2, 60)?;
    if minutes > DAY_MINUTES { Err(NoWindow::Form) } else { Ok(minutes) }
}

impl Window {
    /// When the window lasts that begins on that day.
    fn on(self, day: NaiveDate, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        let midnight = day.and_time(NaiveTime::MIN);
        let begin = midnight + Duration::minutes(self.from.into());
        let end = begin + Duration::minutes(self.minutes.into());
        let moment = |face, latest: bool| match zone.from_local_datetime(&face) {
            LocalResult::Single(at) => at.to_utc(),
            LocalResult::Ambiguous(first, second) => if latest { second } else { first }.to_utc(),
            LocalResult::None => end_of_gap(zone, face),
        };
        (moment(begin, false), moment(end, true))
    }
}

impl Default for QuietHours {
    fn default() -> Self {
        Self { windows: Vec::new(), zone: Tz::UTC }
    }
}

impl QuietHours {
    /// Puts windows of a zone together.
    ///
    /// # Errors
    /// They leave no minute of the day.
    pub fn new(windows: Vec<Window>, zone: Tz) -> Result<Self, NoWindow> {
        let is_quiet = |minute: u32| windows.iter().any(|w| (minute + DAY_MINUTES - w.from) % DAY_MINUTES < w.minutes);
        if (0..DAY_MINUTES).all(is_quiet) { Err(NoWindow::AllDay) } else { Ok(Self { windows, zone }) }
    }

    /// From when until when it is quiet around a moment: its end is no longer part of it. `None`: it isn't.
    pub fn around(&self, moment: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let today = moment.with_timezone(&self.zone).date_naive();
        let days = (-DAYS_AROUND..=DAYS_AROUND).map(|d| today + Duration::days(d));
        let all: Vec<_> = days.flat_map(|day| self.windows.iter().map(move |w| w.on(day, self.zone))).collect();
        let (mut from, mut to) = all.iter().copied().find(|(begin, end)| *begin <= moment && moment < *end)?;
        // Windows that touch are one. Each turn takes one of them in.
        while let Some((begin, end)) =
            all.iter().find(|(begin, end)| *begin <= to && from <= *end && (*begin < from || to < *end))
        {
            (from, to) = (from.min(*begin), to.max(*end));
        }
        Some((from, to))
    }

    /// When the quiet hours are over that a moment lies in.
    pub fn until(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.around(moment).map(|(_, to)| to)
    }

    /// A moment as a clock in the practice shows it: `13:30 (America/Chicago)`.
    pub fn told(&self, moment: DateTime<Utc>) -> impl fmt::Display {
        format!("{} ({})", moment.with_timezone(&self.zone).format("%H:%M"), self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(windows: &[&str]) -> QuietHours {
        let windows = windows.iter().map(|w| w.parse().expect("a window")).collect();
        QuietHours::new(windows, Tz::America__Chicago).expect("they leave time")
    }

    fn around(windows: &[&str], moment: &str) -> Option<String> {
        let (from, to) = quiet(windows).around(moment.parse().expect("a time"))?;
        Some(format!("{} {}", from.format("%d %H:%M"), to.format("%d %H:%M")))
    }

    #[test]
    fn a_window_begins_with_its_first_minute_and_ends_before_its_last() {
        let lunch = ["12:00-13:30"];
        // Chicago is five hours behind in summer.
        assert_eq!(around(&lunch, "2026-06-01T16:59:59Z"), None);
        assert_eq!(around(&lunch, "2026-06-01T17:00:00Z").as_deref(), Some("01 17:00 01 18:30"));
        assert_eq!(around(&lunch, "2026-06-01T18:29:59Z").as_deref(), Some("01 17:00 01 18:30"));
        assert_eq!(around(&lunch, "2026-06-01T18:30:00Z"), None);
        assert_eq!(around(&[], "2026-06-01T18:00:00Z"), None);
        let end = "2026-06-01T18:30:00Z".parse().expect("a time");
        assert_eq!(quiet(&lunch).told(end).to_string(), "13:30 (America/Chicago)");
    }

    #[test]
    fn a_window_passes_midnight() {
        for moment in ["2026-06-02T03:00:00Z", "2026-06-02T05:00:00Z", "2026-06-02T06:59:59Z"] {
            assert_eq!(around(&["22:00-02:00"], moment).as_deref(), Some("02 03:00 02 07:00"), "{moment}");
        }
        assert_eq!(around(&["22:00-02:00"], "2026-06-02T07:00:00Z"), None);
        assert_eq!(around(&["22:00-24:00"], "2026-06-02T04:59:59Z").as_deref(), Some("02 03:00 02 05:00"));
    }

    #[test]
    fn windows_that_touch_or_overlap_are_one() {
        let windows = ["22:00-00:00", "00:00-02:00", "01:00-03:00", "12:00-13:00"];
        assert_eq!(around(&windows, "2026-06-02T04:00:00Z").as_deref(), Some("02 03:00 02 08:00"));
        assert_eq!(around(&windows, "2026-06-02T07:30:00Z").as_deref(), Some("02 03:00 02 08:00"));
    }

    #[test]
    fn a_window_ends_with_the_gap_where_the_clock_is_put_forward() {
        // On 8 March the clock goes from 02:00 to 03:00, which is 08:00 UTC.
        assert_eq!(around(&["01:30-02:30"], "2026-03-08T07:45:00Z").as_deref(), Some("08 07:30 08 08:00"));
        assert_eq!(around(&["02:10-02:50"], "2026-03-08T08:00:00Z"), None);
        assert_eq!(around(&["02:30-04:00"], "2026-03-08T08:00:00Z").as_deref(), Some("08 08:00 08 09:00"));
        assert_eq!(around(&["22:00-06:00"], "2026-03-08T07:00:00Z").as_deref(), Some("08 04:00 08 11:00"));
    }

    #[test]
    fn a_window_lasts_through_both_passes_of_an_hour_that_comes_twice() {
        // On 1 November 01:00 to 02:00 comes twice: from 06:00 and from 07:00 UTC.
        for moment in ["2026-11-01T06:15:00Z", "2026-11-01T06:45:00Z", "2026-11-01T07:29:59Z"] {
            assert_eq!(around(&["01:00-01:30"], moment).as_deref(), Some("01 06:00 01 07:30"), "{moment}");
        }
        assert_eq!(around(&["22:00-06:00"], "2026-11-01T07:00:00Z").as_deref(), Some("01 03:00 01 12:00"));
    }

    #[test]
    fn what_is_no_window_says_why() {
        let wrong = |text: &str| text.parse::<Window>().expect_err(text);
        for text in
            ["", "12:00", "12-13", "25:00-26:00", "12:60-13:00", "24:00-01:00", "24:01-3:00", "+1:00-2:00", "1:5-2:00"]
        {
            assert_eq!(wrong(text), NoWindow::Form, "{text}");
        }
        assert_eq!(wrong("12:00-12:00"), NoWindow::Empty);
        assert!(" 9:05 - 10:00 ".parse::<Window>().is_ok());
        let all_day = |windows: &[&str]| {
            let windows = windows.iter().map(|w| w.parse().expect("a window")).collect();
            QuietHours::new(windows, Tz::UTC)
        };
        assert_eq!(all_day(&["00:00-24:00"]), Err(NoWindow::AllDay));
        assert_eq!(all_day(&["20:00-08:00", "07:00-20:00"]), Err(NoWindow::AllDay));
        assert!(all_day(&["20:00-08:00", "07:00-19:59"]).is_ok());
    }
}
