//! Python's formatting by `%`: `'%s of %05d' % (a, b)`, `'%(name)s' % {…}`.
//!
//! Python docs, § printf-style String Formatting.

use super::{printed, repr};
use minijinja::{
    Error, ErrorKind,
    value::{Value, ValueKind},
};

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("% on a text: {}", what.into()))
}

/// The flags, width and precision of one conversion.
#[derive(Default)]
struct Conversion {
    left: bool,
    zeros: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// What a width may be.
const WIDTH_MAX: usize = 10_000;

/// Puts values into a text.
pub(super) fn format(format: &str, values: &Value) -> Result<String, Error> {
    let many: Vec<Value> = if values.is_tuple() { values.try_iter()?.collect() } else { vec![values.clone()] };
    let mut given = many.iter();
    let mut text = String::new();
    let mut rest = format;
    let mut is_named = false;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut named = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let end = inner.find(')').ok_or_else(|| wrong("a name is not closed"))?;
            named = Some(values.get_item(&Value::from(&inner[..end]))?);
            is_named = true;
            rest = &inner[end + 1..];
        }
        let mut conversion = Conversion::default();
        loop {
            match rest.chars().next() {
                Some('-') => conversion.left = true,
                Some('0') => conversion.zeros = true,
                Some('+') => conversion.plus = true,
                Some(' ') => conversion.blank = true,
                Some('#') => conversion.alternate = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        let mut next = || given.next().cloned().ok_or_else(|| wrong("there are too few values"));
        (conversion.width, rest) = count(rest, &mut next)?.unwrap_or((0, rest));
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = count(after, &mut next)?.unwrap_or((0, after));
            (conversion.precision, rest) = (Some(precision), after);
        }
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        let sign = rest.chars().next().ok_or_else(|| wrong("it ends within a conversion"))?;
        rest = &rest[sign.len_utf8()..];
        if sign == '%' {
            text.push('%');
            continue;
        }
        let value = match named {
            Some(value) => value,
            None => next()?,
        };
        text.push_str(&conversion.convert(sign, &value)?);
    }
    text.push_str(rest);
    let is_map = values.kind() == ValueKind::Map;
    if !is_named && !is_map && given.next().is_some() {
        return Err(wrong("there are more values than places"));
    }
    Ok(text)
}

/// A number in digits, or `*` for one of the values.
fn count<'a>(
    text: &'a str,
    next: &mut impl FnMut() -> Result<Value, Error>,
) -> Result<Option<(usize, &'a str)>, Error> {
    let found = if let Some(rest) = text.strip_prefix('*') {
        (next()?.as_usize().ok_or_else(|| wrong("* wants a whole number"))?, rest)
    } else {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        if end == 0 {
            return Ok(None);
        }
        (text[..end].parse().map_err(|_| wrong("a width is too large"))?, &text[end..])
    };
    if found.0 > WIDTH_MAX {
        return Err(wrong("a width is too large"));
    }
    Ok(Some(found))
}

impl Conversion {
    fn convert(&self, sign: char, value: &Value) -> Result<String, Error> {
        let text =
            match sign {
                's' => self.cut(printed(value)),
                'r' | 'a' => self.cut(repr(value)),
                'c' => match value.as_i64().and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32) {
                    Some(c) => c.to_string(),
                    None => value.to_string(),
                },
                'd' | 'i' | 'u' => return Ok(self.number(&whole(value)?.to_string(), "")),
                'x' => {
                    return Ok(self
                        .number(&signed(whole(value)?, |n| format!("{n:x}")), if self.alternate { "0x" } else { "" }));
                }
                'X' => {
                    return Ok(self
                        .number(&signed(whole(value)?, |n| format!("{n:X}")), if self.alternate { "0X" } else { "" }));
                }
                'o' => {
                    return Ok(self
                        .number(&signed(whole(value)?, |n| format!("{n:o}")), if self.alternate { "0o" } else { "" }));
                }
                'f' | 'F' => return Ok(self.number(&format!("{:.*}", self.precision.unwrap_or(6), real(value)?), "")),
                'e' | 'E' => {
                    let text = exponential(real(value)?, self.precision.unwrap_or(6));
                    return Ok(self.number(&if sign == 'E' { text.to_uppercase() } else { text }, ""));
                }
                'g' | 'G' => return Ok(self.number(&general(real(value)?, self.precision.unwrap_or(6).max(1)), "")),
                other => return Err(wrong(format!("unsupported format character '{other}'"))),
            };
        Ok(self.padded(text))
    }

    fn cut(&self, text: String) -> String {
        self.precision.map_or_else(|| text.clone(), |many| text.chars().take(many).collect())
    }

    fn number(&self, digits: &str, prefix: &str) -> String {
        let (minus, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
        let sign = match minus {
            "" if self.plus => "+",
            "" if self.blank => " ",
            minus => minus,
        };
        let taken = sign.len() + prefix.len() + digits.len();
        if self.zeros && !self.left && taken < self.width {
            return format!("{sign}{prefix}{}{digits}", "0".repeat(self.width - taken));
        }
        self.padded(format!("{sign}{prefix}{digits}"))
    }

    fn padded(&self, text: String) -> String {
        let blanks = " ".repeat(self.width.saturating_sub(text.chars().count()));
        if self.left { text + &blanks } else { blanks + &text }
    }
}

fn signed(number: i128, write: impl Fn(u128) -> String) -> String {
    format!("{}{}", if number < 0 { "-" } else { "" }, write(number.unsigned_abs()))
}

fn real(value: &Value) -> Result<f64, Error> {
    if value.kind() == ValueKind::Bool {
        return Ok(f64::from(u8::from(value.is_true())));
    }
    f64::try_from(value.clone()).map_err(|_| wrong(format!("a number is needed, not a {}", value.kind())))
}

#[expect(clippy::cast_possible_truncation, reason = "Python cuts the fraction off too")]
fn whole(value: &Value) -> Result<i128, Error> {
    match i128::try_from(value.clone()) {
        Ok(number) => Ok(number),
        Err(_) => Ok(real(value)?.trunc() as i128),
    }
}

/// With an exponent of two digits at least.
pub(super) fn exponential(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

/// The shorter of both forms, without zeros at the end.
pub(super) fn general(number: f64, precision: usize) -> String {
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let written = exponential(number, precision - 1);
    let exponent: i64 = written.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or_default();
    let digits = i64::try_from(precision).unwrap_or(i64::MAX);
    if (-4..digits).contains(&exponent) {
        let behind = usize::try_from(digits - 1 - exponent).unwrap_or_default();
        return trimmed(&format!("{number:.behind$}"));
    }
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "+00"));
    format!("{}e{exponent}", trimmed(digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::jinja::{dict, tuple};

    #[test]
    fn values_are_put_in_as_python_does_it() {
        let one = |format_: &str, value: Value| format(format_, &value).expect("a good format");
        assert_eq!(one("%s-%s", tuple(vec!["a".into(), 1.into()])), "a-1");
        assert_eq!(
            one("%05d|%-5s|%5.1f|%x", tuple(vec![42.into(), "ab".into(), 3.25.into(), 255.into()])),
            "00042|ab   |  3.2|ff"
        );
        assert_eq!(one("%(n)s %%", dict([("n".into(), true.into())])), "True %");
        assert_eq!(one("%r", "a'b".into()), "\"a'b\"");
        assert_eq!(one("%e %g", tuple(vec![12345.678.into(), 0.00001.into()])), "1.234568e+04 1e-05");
        assert!(format("%d", &"x".into()).is_err());
        assert!(format("%s %s", &"x".into()).is_err());
        assert!(format("%s", &tuple(vec![1.into(), 2.into()])).is_err());
    }
}
