//! Moments from text: ISO 8601 and `strptime`.

use super::{Moment, Zone, wrong};
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveTime, TimeDelta};
use minijinja::Error;

/// The seconds of `Z`, `+01`, `+01:00`, `+0100`, `+01:00:30`.
fn offset(text: &str) -> Option<FixedOffset> {
    if matches!(text, "Z" | "z") {
        return FixedOffset::east_opt(0);
    }
    let (sign, rest) = text.strip_prefix('+').map(|rest| (1, rest)).or_else(|| Some((-1, text.strip_prefix('-')?)))?;
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    let is_whole = matches!(digits.len(), 2 | 4 | 6) && digits.bytes().all(|b| b.is_ascii_digit());
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i32>().ok());
    FixedOffset::east_opt(sign * (part(0)? * 3600 + part(2)? * 60 + part(4)?)).filter(|_| is_whole)
}

fn time(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits: String = whole.chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4 | 6) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<u32>().ok());
    let micros: u32 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    NaiveTime::from_hms_micro_opt(part(0)?, part(2)?, part(4)?, micros)
}

/// A date as ISO 8601 writes it.
fn date(text: &str) -> Option<NaiveDate> {
    let form = if text.contains('-') { "%Y-%m-%d" } else { "%Y%m%d" };
    NaiveDate::parse_from_str(text, form).ok().filter(|_| matches!(text.len(), 8 | 10))
}

/// A moment as ISO 8601 and PostgreSQL write it.
pub(super) fn iso(text: &str) -> Option<Moment> {
    let text = text.trim();
    let end = if text.as_bytes().get(4) == Some(&b'-') { 10 } else { 8 };
    let day = date(text.get(..end.min(text.len()))?)?;
    let Some(rest) = text.get(end..).filter(|rest| !rest.is_empty()) else {
        return Some(Moment::At(day.and_time(NaiveTime::MIN), None));
    };
    let mut rest = rest.chars();
    rest.next();
    let rest = rest.as_str();
    let (clock, distance) = rest.find(['+', '-', 'Z', 'z']).map_or((rest, ""), |at| rest.split_at(at));
    let at = day.and_time(time(clock.trim())?);
    if distance.is_empty() {
        return Some(Moment::At(at, None));
    }
    let distance = offset(distance)?;
    let zone = if distance.local_minus_utc() == 0 { Zone::UTC } else { Zone::Fixed(distance) };
    Some(Moment::At(at, Some(zone.at_local(at))))
}

/// What `strptime` has read so far.
#[derive(Default)]
struct Read {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    of_year: Option<u32>,
    hour: u32,
    is_afternoon: Option<bool>,
    minute: u32,
    second: u32,
    micros: u32,
    offset: Option<FixedOffset>,
}

/// Takes a number of at most so many digits whose value is within bounds: a digit less where it would be too large.
fn number(text: &str, digits: usize, bounds: (u32, u32)) -> Option<(u32, &str)> {
    let most = text.bytes().take(digits).take_while(u8::is_ascii_digit).count();
    (1..=most).rev().find_map(|end| {
        let number = text[..end].parse().ok().filter(|n| (bounds.0..=bounds.1).contains(n))?;
        Some((number, &text[end..]))
    })
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Takes a name, whole or its first three letters: which of them it is, and the rest.
fn name<'a>(text: &'a str, names: &[&str], is_short: bool) -> Option<(u32, &'a str)> {
    names.iter().zip(0..).find_map(|(name, at)| {
        let name = if is_short { &name[..3] } else { name };
        let begin = text.get(..name.len())?;
        begin.eq_ignore_ascii_case(name).then(|| (at, &text[name.len()..]))
    })
}

impl Read {
    /// Takes what a code stands for; gives the rest of the text.
    fn take<'a>(&mut self, code: char, text: &'a str) -> Option<&'a str> {
        let (number, rest) = match code {
            'Y' => number(text, 4, (0, 9999)).filter(|(_, rest)| text.len() - rest.len() == 4)?,
            'm' => number(text, 2, (1, 12))?,
            'd' | 'e' => number(text, 2, (1, 31))?,
            'H' => number(text, 2, (0, 23))?,
            'I' => number(text, 2, (1, 12))?,
            'M' => number(text, 2, (0, 59))?,
            'S' => number(text, 2, (0, 61))?,
            'y' => number(text, 2, (0, 99)).filter(|(_, rest)| text.len() - rest.len() == 2)?,
            'j' => number(text, 3, (1, 366))?,
            'f' => number(text, 6, (0, 999_999))?,
            'b' | 'h' => name(text, &MONTHS, true)?,
            'B' => name(text, &MONTHS, false)?,
            'a' => name(text, &DAYS, true)?,
            'A' => name(text, &DAYS, false)?,
            'p' => name(text, &["am ", "pm "].map(|half| &half[..2]), false)?,
            'z' => {
                let end = text.find(|c: char| !c.is_ascii_digit() && !"+-:Zz".contains(c)).unwrap_or(text.len());
                self.offset = Some(offset(&text[..end])?);
                (0, &text[end..])
            }
            'Z' => {
                let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
                (0, &text[end..])
            }
            '%' => (0, text.strip_prefix('%')?),
            _ => return None,
        };
        match code {
            'Y' => self.year = i32::try_from(number).ok(),
            'y' => self.year = i32::try_from(if number < 69 { 2000 + number } else { 1900 + number }).ok(),
            'm' => self.month = Some(number),
            'b' | 'h' | 'B' => self.month = Some(number + 1),
            'd' | 'e' => self.day = Some(number),
            'j' => self.of_year = Some(number),
            'H' | 'I' => self.hour = number,
            'p' => self.is_afternoon = Some(number == 1),
            'M' => self.minute = number,
            'S' => self.second = number,
            'f' => {
                let missing = 6 - u32::try_from(text.len() - rest.len()).ok()?;
                self.micros = number * 10_u32.pow(missing);
            }
            _ => {}
        }
        Some(rest)
    }

    fn moment(&self, is_twelve: bool) -> Option<Moment> {
        let hour = match self.is_afternoon.filter(|_| is_twelve) {
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let year = self.year.unwrap_or(1900);
        let mut day = NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?;
        if let Some(of_year) = self.of_year.filter(|_| self.month.is_none()) {
            day = day.with_ordinal(1)?.checked_add_signed(TimeDelta::days(i64::from(of_year) - 1))?;
        }
        let at = day.and_time(NaiveTime::from_hms_micro_opt(hour, self.minute, self.second, self.micros)?);
        let zone = |offset: FixedOffset| if offset.local_minus_utc() == 0 { Zone::UTC } else { Zone::Fixed(offset) };
        Some(Moment::At(at, self.offset.map(|offset| zone(offset).at_local(at))))
    }
}

/// A text read by a format, as Python's `strptime` reads it.
pub(super) fn strptime(text: &str, format: &str) -> Result<Moment, Error> {
    let unfit = || wrong(format!("'{text}' does not fit the format '{format}'"));
    let expanded = format.replace("%T", "%H:%M:%S").replace("%D", "%m/%d/%y").replace("%F", "%Y-%m-%d");
    let (mut read, mut rest, mut codes) = (Read::default(), text, expanded.chars());
    while let Some(c) = codes.next() {
        rest = match c {
            '%' => read.take(codes.next().ok_or_else(unfit)?, rest).ok_or_else(unfit)?,
            c if c.is_whitespace() => {
                let trimmed = rest.trim_start();
                if trimmed.len() == rest.len() {
                    return Err(unfit());
                }
                trimmed
            }
            c => rest.strip_prefix(c).ok_or_else(unfit)?,
        };
    }
    if !rest.is_empty() {
        return Err(unfit());
    }
    read.moment(expanded.contains("%I")).ok_or_else(unfit)
}
