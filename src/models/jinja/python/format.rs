//! `str.format`: `'{} {0} {name} {x:>5}'.format(…)`. Python docs, § Format String Syntax.

use super::{
    super::{Arguments, percent, printed, repr},
    moments,
};
use minijinja::{Error, ErrorKind, value::Value};

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("format(): {what}"))
}

/// What a width may be.
const WIDTH_MAX: usize = 10_000;

/// The values of one call, and how many were taken by place.
struct Given<'a> {
    arguments: &'a Arguments,
    taken: usize,
}

/// Puts values into a text.
pub(in crate::models::jinja) fn format(format: &str, arguments: &Arguments) -> Result<String, Error> {
    filled(format, &mut Given { arguments, taken: 0 }, true)
}

/// `may_nest` says whether a specification may have fields of its own, as Python allows once.
fn filled(format: &str, given: &mut Given<'_>, may_nest: bool) -> Result<String, Error> {
    let mut text = String::new();
    let mut rest = format;
    while let Some(open) = rest.find(['{', '}']) {
        text.push_str(&rest[..open]);
        let mark = rest.as_bytes()[open];
        rest = &rest[open + 1..];
        if rest.as_bytes().first() == Some(&mark) {
            text.push(char::from(mark));
            rest = &rest[1..];
            continue;
        }
        let end = closing(rest).filter(|_| mark == b'{').ok_or_else(|| wrong("a brace stands alone"))?;
        text.push_str(&field(&rest[..end], given, may_nest)?);
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    Ok(text)
}

/// Where the brace that is open is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1_usize;
    text.bytes().position(|byte| {
        depth = match byte {
            b'{' => depth + 1,
            b'}' => depth - 1,
            _ => depth,
        };
        depth == 0
    })
}

fn field(field: &str, given: &mut Given<'_>, may_nest: bool) -> Result<String, Error> {
    let (name, spec) = field.split_once(':').unwrap_or((field, ""));
    let (name, is_repr) = name.strip_suffix("!r").map_or((name.trim_end_matches("!s"), false), |name| (name, true));
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut path) = name.split_at(end);
    let mut value = match first {
        "" => {
            given.taken += 1;
            given.arguments.positional().get(given.taken - 1).cloned()
        }
        first => match first.parse::<usize>() {
            Ok(place) => given.arguments.positional().get(place).cloned(),
            Err(_) => given.arguments.get(usize::MAX, first).cloned(),
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
    let spec = if may_nest && spec.contains('{') { filled(spec, given, false)? } else { spec.to_owned() };
    specified(&shown, &spec)
}

/// `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
struct Specification {
    fill: char,
    align: Option<char>,
    sign: char,
    is_alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: String,
}

impl Specification {
    fn of(spec: &str) -> Result<Self, Error> {
        let mut rest = spec;
        let (mut fill, mut align) = (' ', None);
        let mut characters = rest.chars();
        match (characters.next(), characters.next()) {
            (Some(c), Some(a @ ('<' | '>' | '^' | '='))) => {
                (fill, align) = (c, Some(a));
                rest = &rest[c.len_utf8() + 1..];
            }
            (Some(a @ ('<' | '>' | '^' | '=')), _) => {
                align = Some(a);
                rest = &rest[1..];
            }
            _ => {}
        }
        let sign = rest.chars().next().filter(|c| matches!(c, '+' | '-' | ' ')).unwrap_or('-');
        rest = rest.strip_prefix(['+', '-', ' ']).unwrap_or(rest);
        let is_alternate = rest.starts_with('#');
        rest = rest.strip_prefix('#').unwrap_or(rest);
        if rest.starts_with('0') {
            (fill, align) = ('0', align.or(Some('=')));
        }
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number = |text: &str| -> Result<Option<usize>, Error> {
            match text.parse() {
                _ if text.is_empty() => Ok(None),
                Ok(number) if number <= WIDTH_MAX => Ok(Some(number)),
                _ => Err(wrong("a width is too large")),
            }
        };
        let width = number(&rest[..digits(rest)])?.unwrap_or_default();
        rest = &rest[digits(rest)..];
        let grouping = rest.chars().next().filter(|c| matches!(c, ',' | '_'));
        rest = rest.strip_prefix([',', '_']).unwrap_or(rest);
        let mut precision = None;
        if let Some(after) = rest.strip_prefix('.') {
            precision = number(&after[..digits(after)])?;
            rest = &after[digits(after)..];
        }
        Ok(Self { fill, align, sign, is_alternate, width, grouping, precision, kind: rest.to_owned() })
    }

    fn padded(&self, sign: &str, text: &str, usual: char) -> String {
        let missing = self.width.saturating_sub(sign.chars().count() + text.chars().count());
        let filled = |many: usize| self.fill.to_string().repeat(many);
        match self.align.unwrap_or(usual) {
            '<' => format!("{sign}{text}{}", filled(missing)),
            '^' => format!("{}{sign}{text}{}", filled(missing / 2), filled(missing - missing / 2)),
            '=' => format!("{sign}{}{text}", filled(missing)),
            _ => format!("{}{sign}{text}", filled(missing)),
        }
    }
}

fn specified(value: &Value, spec: &str) -> Result<String, Error> {
    if spec.is_empty() {
        return Ok(printed(value));
    }
    if let Some(shown) = moments::strftime(value, spec) {
        return shown;
    }
    let told = Specification::of(spec)?;
    let is_truth = value.kind() == minijinja::value::ValueKind::Bool;
    // A truth value is a number only where a kind of number is asked for.
    let is_number = value.is_number() || (is_truth && !matches!(told.kind.as_str(), "" | "s"));
    if !is_number {
        if !matches!(told.kind.as_str(), "" | "s") {
            return Err(wrong(format!("'{spec}' wants a number")));
        }
        let text = printed(value);
        let text = told.precision.map_or(text.clone(), |many| text.chars().take(many).collect());
        return Ok(told.padded("", &text, '<'));
    }
    let value = if is_truth { Value::from(i64::from(value.is_true())) } else { value.clone() };
    let digits = number(&value, &told).ok_or_else(|| wrong(format!("'{spec}' does not fit the value")))?;
    let (minus, digits) = digits.strip_prefix('-').map_or((false, digits.as_str()), |digits| (true, digits));
    let sign = match (minus, told.sign) {
        (true, _) => "-",
        (false, '+') => "+",
        (false, ' ') => " ",
        _ => "",
    };
    let digits = told.grouping.map_or_else(|| digits.to_owned(), |by| grouped(digits, by));
    Ok(told.padded(sign, &digits, '>'))
}

/// A number without padding and plus; `None` where the value is of another kind.
fn number(value: &Value, told: &Specification) -> Option<String> {
    let real = || f64::try_from(value.clone()).ok();
    let precision = told.precision.unwrap_or(6);
    let whole = |written: fn(u128) -> String, prefix: &str| {
        let number = i128::try_from(value.clone()).ok()?;
        let minus = if number < 0 { "-" } else { "" };
        Some(format!("{minus}{}{}", if told.is_alternate { prefix } else { "" }, written(number.unsigned_abs())))
    };
    match told.kind.as_str() {
        "f" | "F" => Some(format!("{:.precision$}", real()?)),
        "%" => Some(format!("{:.precision$}%", real()? * 100.0)),
        "e" => Some(percent::exponential(real()?, precision)),
        "E" => Some(percent::exponential(real()?, precision).to_uppercase()),
        "g" | "G" => Some(percent::general(real()?, precision.max(1))),
        "x" => whole(|n| format!("{n:x}"), "0x"),
        "X" => whole(|n| format!("{n:X}"), "0X"),
        "o" => whole(|n| format!("{n:o}"), "0o"),
        "b" => whole(|n| format!("{n:b}"), "0b"),
        "c" => Some(char::from_u32(u32::try_from(value.as_i64()?).ok()?)?.to_string()),
        "d" => whole(|n| n.to_string(), ""),
        "" | "n" if value.is_integer() && told.precision.is_none() => Some(value.to_string()),
        "" if told.precision.is_none() => Some(printed(value)),
        "" | "n" => Some(percent::general(real()?, precision.max(1))),
        _ => None,
    }
}

fn grouped(text: &str, by: char) -> String {
    let (whole, fraction) = text.find(['.', 'e', '%']).map_or((text, ""), |at| text.split_at(at));
    let mut grouped = String::new();
    for (at, c) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(by);
        }
        grouped.push(c);
    }
    format!("{grouped}{fraction}")
}
