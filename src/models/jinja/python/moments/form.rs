//! Moments as text: ISO 8601, `strftime`, `repr`.

use super::{Moment, wrong};
use chrono::{Datelike, Timelike};
use minijinja::Error;

/// ISO 8601, as exact as `timespec` says.
pub(super) fn iso(moment: Moment, separator: char, timespec: &str) -> String {
    let at = moment.plain();
    let (date, micros) = (format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day()), at.nanosecond() / 1000);
    let seconds = at.format("%H:%M:%S");
    let time = match timespec {
        "hours" => at.format("%H").to_string(),
        "minutes" => at.format("%H:%M").to_string(),
        "milliseconds" => format!("{seconds}.{:03}", micros / 1000),
        "microseconds" => format!("{seconds}.{micros:06}"),
        "auto" if micros != 0 => format!("{seconds}.{micros:06}"),
        _ => seconds.to_string(),
    };
    match moment {
        Moment::Date(_) => date,
        Moment::Time(_) => time,
        Moment::At(_, local) => {
            let offset = local.map_or_else(String::new, |local| local.offset.to_string());
            format!("{date}{separator}{time}{offset}")
        }
    }
}

/// As Python's `repr` shows it.
pub(super) fn repr(moment: Moment) -> String {
    let at = moment.plain();
    let date = format!("{}, {}, {}", at.year(), at.month(), at.day());
    let mut time = format!("{}, {}", at.hour(), at.minute());
    let micros = at.nanosecond() / 1000;
    if at.second() != 0 || micros != 0 {
        time.push_str(&format!(", {}", at.second()));
    }
    if micros != 0 {
        time.push_str(&format!(", {micros}"));
    }
    match moment {
        Moment::Date(_) => format!("datetime.date({date})"),
        Moment::Time(_) => format!("datetime.time({time})"),
        Moment::At(_, None) => format!("datetime.datetime({date}, {time})"),
        Moment::At(_, Some(local)) => format!("datetime.datetime({date}, {time}, tzinfo=<{}>)", local.zone),
    }
}

/// A moment in a format of C's `strftime`, as Python has it on Linux; an unknown code stays as it is.
pub(super) fn strftime(moment: Moment, format: &str) -> Result<String, Error> {
    let at = moment.plain();
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let Some(mut code) = characters.next() else {
            text.push('%');
            break;
        };
        let flag = matches!(code, '-' | '_' | '0' | '^').then_some(code);
        if flag.is_some() {
            code = characters.next().ok_or_else(|| wrong("a format ends within a code"))?;
        }
        let twelve = match at.hour() % 12 {
            0 => 12,
            hour => hour,
        };
        let number = |number: i64, width: usize, fill: char| {
            let fill = match flag {
                Some('-') => return number.to_string(),
                Some('_') => ' ',
                Some('0') => '0',
                _ => fill,
            };
            let digits = number.to_string();
            fill.to_string().repeat(width.saturating_sub(digits.len())) + &digits
        };
        let two = |n: u32| number(n.into(), 2, '0');
        let monday = at.weekday().num_days_from_monday();
        let sunday = at.weekday().num_days_from_sunday();
        let written = match code {
            'Y' => at.year().to_string(),
            'm' => two(at.month()),
            'd' => two(at.day()),
            'e' => number(at.day().into(), 2, ' '),
            'H' => two(at.hour()),
            'I' => two(twelve),
            'k' => number(at.hour().into(), 2, ' '),
            'l' => number(twelve.into(), 2, ' '),
            'M' => two(at.minute()),
            'S' => two(at.second()),
            'f' => format!("{:06}", at.nanosecond() / 1000),
            'y' => number(at.year().rem_euclid(100).into(), 2, '0'),
            'C' => number(at.year().div_euclid(100).into(), 2, '0'),
            'j' => number(at.ordinal().into(), 3, '0'),
            'U' => two((at.ordinal() + 6 - sunday) / 7),
            'W' => two((at.ordinal() + 6 - monday) / 7),
            'V' => two(at.iso_week().week()),
            'G' => at.iso_week().year().to_string(),
            'g' => number(at.iso_week().year().rem_euclid(100).into(), 2, '0'),
            'u' => (monday + 1).to_string(),
            'w' => sunday.to_string(),
            'a' | 'A' | 'b' | 'B' | 'h' | 'p' => at.format(&format!("%{code}")).to_string(),
            'P' => at.format("%P").to_string(),
            's' => moment.utc().and_utc().timestamp().to_string(),
            'c' => strftime(moment, "%a %b %e %H:%M:%S %Y")?,
            'x' | 'D' => strftime(moment, "%m/%d/%y")?,
            'X' | 'T' => strftime(moment, "%H:%M:%S")?,
            'F' => strftime(moment, "%Y-%m-%d")?,
            'R' => strftime(moment, "%H:%M")?,
            'r' => strftime(moment, "%I:%M:%S %p")?,
            'z' => moment.local().map_or_else(String::new, |local| local.offset.to_string().replace(':', "")),
            'Z' => moment.local().map_or_else(String::new, |local| local.name(moment.utc())),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            other => format!("%{other}"),
        };
        text.push_str(&if flag == Some('^') { written.to_uppercase() } else { written });
    }
    Ok(text)
}
