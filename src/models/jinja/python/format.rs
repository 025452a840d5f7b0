//! `str.format`: `'{} {0} {name} {x:>5}'.format(…)`. Python docs, § Format String Syntax.

use super::super::{Arguments, repr};
use minijinja::{Error, ErrorKind, value::Value};

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("format(): {what}"))
}

/// What a width may be.
const WIDTH_MAX: usize = 10_000;

/// Puts values into a text.
pub(in crate::models::jinja) fn format(format: &str, arguments: &Arguments) -> Result<String, Error> {
    let mut text = String::new();
    let mut rest = format;
    let mut at = 0;
    while let Some(open) = rest.find(['{', '}']) {
        text.push_str(&rest[..open]);
        let mark = rest.as_bytes()[open];
        rest = &rest[open + 1..];
        if rest.as_bytes().first() == Some(&mark) {
            text.push(char::from(mark));
            rest = &rest[1..];
            continue;
        }
        let end = rest.find('}').filter(|_| mark == b'{').ok_or_else(|| wrong("a brace stands alone"))?;
        text.push_str(&field(&rest[..end], &mut at, arguments)?);
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    Ok(text)
}

fn field(field: &str, at: &mut usize, arguments: &Arguments) -> Result<String, Error> {
    let (name, spec) = field.split_once(':').unwrap_or((field, ""));
    let (name, is_repr) = name.strip_suffix("!r").map_or((name.trim_end_matches("!s"), false), |name| (name, true));
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut path) = name.split_at(end);
    let mut value = match first {
        "" => {
            *at += 1;
            arguments.positional().get(*at - 1).cloned()
        }
        first => match first.parse::<usize>() {
            Ok(place) => arguments.positional().get(place).cloned(),
            Err(_) => arguments.get(usize::MAX, first).cloned(),
        },
    }
    .ok_or_else(|| wrong(format!("there is no value for '{{{field}}}'")))?;
    while !path.is_empty() {
        if let Some(rest) = path.strip_prefix('.') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            value = value.get_attr(&rest[..end])?;
            path = &rest[end..];
        } else {
            let end = path.find(']').ok_or_else(|| wrong("a bracket is not closed"))?;
            let key = &path[1..end];
            value =
                key.parse::<i64>().map_or_else(|_| value.get_item(&key.into()), |key| value.get_item(&key.into()))?;
            path = &path[end + 1..];
        }
    }
    let shown = if is_repr { Value::from(repr(&value)) } else { value };
    specified(&shown, spec)
}

/// `[[fill]align][sign][0][width][,][.precision][type]`.
fn specified(value: &Value, spec: &str) -> Result<String, Error> {
    if spec.is_empty() {
        return Ok(value.to_string());
    }
    let mut rest = spec;
    let (mut fill, mut align) = (' ', None);
    let mut characters = rest.chars();
    match (characters.next(), characters.next()) {
        (Some(c), Some(a @ ('<' | '>' | '^'))) => {
            (fill, align) = (c, Some(a));
            rest = &rest[c.len_utf8() + 1..];
        }
        (Some(a @ ('<' | '>' | '^')), _) => {
            align = Some(a);
            rest = &rest[1..];
        }
        _ => {}
    }
    let plus = rest.strip_prefix('+').is_some();
    rest = rest.trim_start_matches(['+', '-', ' ']);
    if rest.starts_with('0') {
        (fill, align) = ('0', align.or(Some('>')));
    }
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let width: usize = rest[..digits(rest)].parse().unwrap_or_default();
    rest = &rest[digits(rest)..];
    let commas = rest.starts_with([',', '_']);
    rest = rest.trim_start_matches([',', '_']);
    let mut precision = None;
    if let Some(after) = rest.strip_prefix('.') {
        precision = after[..digits(after)].parse::<usize>().ok();
        rest = &after[digits(after)..];
    }
    if width > WIDTH_MAX || precision.is_some_and(|p| p > WIDTH_MAX) {
        return Err(wrong("a width is too large"));
    }
    let is_number = value.is_number();
    let number = || f64::try_from(value.clone()).map_err(|_| wrong(format!("'{spec}' wants a number")));
    let mut text = match (rest, precision) {
        ("f" | "F", _) => format!("{:.*}", precision.unwrap_or(6), number()?),
        ("%", _) => format!("{:.*}%", precision.unwrap_or(6), number()? * 100.0),
        ("x", _) => format!("{:x}", value.as_i64().ok_or_else(|| wrong("'x' wants a whole number"))?),
        ("", Some(precision)) if !is_number => value.to_string().chars().take(precision).collect(),
        ("", Some(precision)) => format!("{:.*}", precision, number()?),
        ("" | "s" | "d" | "n", _) => value.to_string(),
        (other, _) => return Err(wrong(format!("'{other}' is no type of a format"))),
    };
    if commas {
        text = grouped(&text);
    }
    if plus && is_number && !text.starts_with('-') {
        text.insert(0, '+');
    }
    let missing = width.saturating_sub(text.chars().count());
    let filled = |many: usize| fill.to_string().repeat(many);
    Ok(match align.unwrap_or(if is_number { '>' } else { '<' }) {
        '<' => text + &filled(missing),
        '^' => filled(missing / 2) + &text + &filled(missing - missing / 2),
        _ => filled(missing) + &text,
    })
}

fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.find('.').map_or((digits, ""), |at| digits.split_at(at));
    let mut grouped = String::new();
    for (at, c) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(c);
    }
    format!("{sign}{grouped}{fraction}")
}
