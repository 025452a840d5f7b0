//! What a plain scalar means: YAML 1.1 as PyYAML reads it, since that is what people's files were written for.
//!
//! Pure. `yes` and `off` are truth values and `y` and `n` are texts, `010` is eight, `1:30` is ninety, `1_000` is a
//! thousand, `1e3` is a text; a date is its ISO text, as dbt makes of it, and known to be a date. Formats:
//! yaml.org/type, and PyYAML's resolver where it differs from them.

use serde_json::{Number, Value};

/// What a plain scalar is.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar {
    /// What YAML and JSON have both.
    Value(Value),
    /// A date or a moment, as its ISO text.
    Moment(String),
}

/// Reads a plain scalar.
///
/// # Errors
/// It has the form of a number or a date and is none.
pub(super) fn resolve(text: &str) -> Result<Scalar, &'static str> {
    let value = |value| Ok(Scalar::Value(value));
    let Some(first) = text.bytes().next() else { return value(Value::Null) };
    match text {
        "~" | "null" | "Null" | "NULL" => return value(Value::Null),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return value(Value::Bool(true)),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return value(Value::Bool(false)),
        _ => {}
    }
    // Nothing else begins otherwise, and most scalars are words.
    if !matches!(first, b'0'..=b'9' | b'+' | b'-' | b'.') {
        return value(Value::String(text.to_owned()));
    }
    if text.ends_with('_') && matches!(signed(text).1.trim_end_matches('_'), "0x" | "0b") {
        return Err("this number has no digits; quote it if it is a text");
    }
    if let Some(number) = integer(text).or_else(|| float(text)) {
        return value(number);
    }
    match moment(text) {
        Some(Moment::Of(text)) => Ok(Scalar::Moment(text)),
        Some(Moment::Never) => Err("there is no such date or time; quote it if it is a text"),
        None => value(Value::String(text.to_owned())),
    }
}

/// The sign, and what comes after it.
fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn integer(text: &str) -> Option<Value> {
    let (is_negative, digits) = signed(text);
    let all =
        |digits: &str, allowed: fn(u8) -> bool| !digits.is_empty() && digits.bytes().all(|b| b == b'_' || allowed(b));
    let (digits, radix) = if let Some(rest) = digits.strip_prefix("0b") {
        (all(rest, |b| matches!(b, b'0' | b'1')).then_some(rest)?, 2)
    } else if let Some(rest) = digits.strip_prefix("0x") {
        (all(rest, |b| b.is_ascii_hexdigit()).then_some(rest)?, 16)
    } else if digits.starts_with('0') && digits[1..].bytes().all(|b| b == b'_') {
        (digits, 10)
    } else if let Some(rest) = digits.strip_prefix('0') {
        (all(rest, |b| matches!(b, b'0'..=b'7')).then_some(rest)?, 8)
    } else if digits.starts_with(|c: char| c.is_ascii_digit()) && all(digits, |b| b.is_ascii_digit()) {
        (digits, 10)
    } else {
        return sixty(digits, is_negative);
    };
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let Ok(number) = i128::from_str_radix(&plain, radix) else {
        // Longer than any number of a database's: kept as it is written.
        return Some(Value::String(text.to_owned()));
    };
    Some(whole(if is_negative { -number } else { number }))
}

fn whole(number: i128) -> Value {
    if let Ok(number) = i64::try_from(number) {
        return number.into();
    }
    u64::try_from(number).map_or_else(|_| Value::String(number.to_string()), Value::from)
}

/// Base sixty: `1:30`.
fn sixty(digits: &str, is_negative: bool) -> Option<Value> {
    let mut parts = digits.split(':');
    let first = parts.next()?;
    if !first.starts_with(|c: char| matches!(c, '1'..='9')) || !first.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        return None;
    }
    let mut number: i128 = first.replace('_', "").parse().ok()?;
    let mut count = 0;
    for part in parts {
        let is_sixtieth = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        number = number.checked_mul(60)?.checked_add(is_sixtieth.then(|| part.parse().ok())??)?;
        count += 1;
    }
    (count > 0).then(|| whole(if is_negative { -number } else { number }))
}

/// Base sixty with a fraction: `1:30.5`.
fn sixty_float(before: &str, fraction: &str, is_negative: bool) -> Option<Value> {
    let mut parts = before.split(':');
    let first = parts.next()?;
    if !first.starts_with(|c: char| c.is_ascii_digit()) || !first.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        return None;
    }
    let mut number: f64 = first.replace('_', "").parse().ok()?;
    for part in parts {
        let is_sixtieth = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        number = number * 60.0 + is_sixtieth.then(|| part.parse::<f64>().ok())??;
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        return None;
    }
    let fraction: f64 = format!("0.{}0", fraction.replace('_', "")).parse().ok()?;
    let number = number + fraction;
    Number::from_f64(if is_negative { -number } else { number }).map(Value::Number)
}

fn float(text: &str) -> Option<Value> {
    let (is_negative, digits) = signed(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Some(Value::String(if is_negative { "-inf" } else { "inf" }.to_owned()));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Value::String("nan".to_owned()));
    }
    let (before, after) = digits.split_once('.')?;
    if before.contains(':') {
        return sixty_float(before, after, is_negative);
    }
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    // A sign before the point needs a digit between them.
    let has_whole = before.starts_with(|c: char| c.is_ascii_digit()) && is_number(before);
    let has_none = before.is_empty() && digits.len() == text.len();
    if !has_whole && !has_none {
        return None;
    }
    let (fraction, exponent) = match after.find(['e', 'E']) {
        Some(at) => (&after[..at], Some(&after[at + 1..])),
        None => (after, None),
    };
    let is_fraction = is_number(fraction) && (has_whole || fraction.starts_with(|c: char| c.is_ascii_digit()));
    // The exponent needs its sign.
    let is_exponent = exponent.is_none_or(|e| {
        let digits = e.strip_prefix(['+', '-']).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    });
    if !is_fraction || !is_exponent {
        return None;
    }
    let mut plain: String = text.chars().filter(|c| *c != '_').collect();
    if plain.ends_with('.') {
        plain.push('0');
    }
    let number: f64 = plain.trim_start_matches('+').parse().ok()?;
    Number::from_f64(number).map(Value::Number)
}

/// What has the form of a date, or of a date with a time.
enum Moment {
    /// As Python writes it: `2024-01-31`, `2024-01-31T12:00:00`.
    Of(String),
    /// It is in no calendar, or on no clock.
    Never,
}

fn moment(text: &str) -> Option<Moment> {
    let digits = |part: &str, least: usize, most: usize| {
        (part.len() >= least && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())?
    };
    let year = text.get(..4)?;
    digits(year, 4, 4)?;
    let (month, rest) = text.get(4..)?.strip_prefix('-')?.split_once('-')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, time) = rest.split_at(end);
    if time.is_empty() {
        // A date alone is written with all its digits.
        let (month, day) = (digits(month, 2, 2)?, digits(day, 2, 2)?);
        let is_date = date(year.parse().ok()?, month, day);
        return Some(if is_date { Moment::Of(text.to_owned()) } else { Moment::Never });
    }
    let (month, day) = (digits(month, 1, 2)?, digits(day, 1, 2)?);
    let clock = time.strip_prefix(['T', 't']).or_else(|| {
        let trimmed = time.trim_start_matches([' ', '\t']);
        (trimmed.len() < time.len()).then_some(trimmed)
    })?;
    let (clock, zone) = match clock.find(['Z', '+', '-', ' ', '\t']) {
        Some(at) => (&clock[..at], clock[at..].trim_start_matches([' ', '\t'])),
        None => (clock, ""),
    };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, seconds) = (digits(parts.next()?, 1, 2)?, digits(parts.next()?, 2, 2)?, parts.next()?);
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let second = digits(second, 2, 2)?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros = if fraction.is_empty() || fraction.bytes().all(|b| b == b'0') {
        String::new()
    } else {
        format!(".{:0<6.6}", fraction)
    };
    let zone = match zone {
        "" => String::new(),
        "Z" => "+00:00".to_owned(),
        zone => {
            let (sign, offset) = zone.split_at(1);
            let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
            format!("{sign}{:02}:{:02}", digits(hours, 1, 2)?, digits(minutes, 2, 2)?)
        }
    };
    let text = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{micros}{zone}");
    let is_one = date(year.parse().ok()?, month, day) && hour <= 23 && minute <= 59 && second <= 59;
    Some(if is_one { Moment::Of(text) } else { Moment::Never })
}

fn date(year: i32, month: u32, day: u32) -> bool {
    chrono::NaiveDate::from_ymd_opt(year, month, day).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn truth_and_nothing_are_what_yaml_1_1_says() {
        for (text, value) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("TRUE", json!(true)),
            ("y", json!("y")),
            ("N", json!("N")),
            ("tRue", json!("tRue")),
            ("~", Value::Null),
            ("", Value::Null),
            ("None", json!("None")),
        ] {
            assert_eq!(resolve(text), Ok(Scalar::Value(value)), "{text}");
        }
    }

    #[test]
    fn numbers_are_what_pyyaml_makes_of_them() {
        for (text, value) in [
            ("12", json!(12)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("1_000", json!(1000)),
            ("010", json!(8)),
            ("09", json!("09")),
            ("0_", json!(0)),
            ("1:30.5", json!(90.5)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("1:30", json!(90)),
            ("1:75", json!("1:75")),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-.5", json!("-.5")),
            ("1e3", json!("1e3")),
            ("1.0e3", json!("1.0e3")),
            ("1.0e+3", json!(1000.0)),
            ("1.0.0", json!("1.0.0")),
            ("-", json!("-")),
            (".", json!(".")),
            ("_1", json!("_1")),
            (".inf", json!("inf")),
        ] {
            assert_eq!(resolve(text), Ok(Scalar::Value(value)), "{text}");
        }
    }

    #[test]
    fn a_date_is_its_iso_text() {
        for (text, value) in [
            ("2024-01-31", "2024-01-31"),
            ("2024-01-31 12:30:00", "2024-01-31T12:30:00"),
            ("2024-1-5t2:30:00.25Z", "2024-01-05T02:30:00.250000+00:00"),
            ("2024-01-31 12:30:00 +2", "2024-01-31T12:30:00+02:00"),
        ] {
            assert_eq!(resolve(text), Ok(Scalar::Moment(value.to_owned())), "{text}");
        }
        assert_eq!(resolve("2024-1-5"), Ok(Scalar::Value(json!("2024-1-5"))));
    }

    #[test]
    fn what_only_looks_like_a_number_or_a_date_is_refused() {
        for text in ["2024-13-01", "2024-01-31 25:30:00", "0x_", "-0b__"] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }
}
