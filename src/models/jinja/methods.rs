//! Python's methods on values that the engine itself makes: texts, numbers, tuples, maps.
//!
//! The commonest come from the engine's own collection; here is what it lacks.

use super::{Arguments, list, tuple};
use minijinja::{
    Error, ErrorKind, State,
    value::{Value, ValueKind},
};

/// Called by the engine for a method that a value doesn't have.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, values: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::of("method", values);
    let own = match value.kind() {
        ValueKind::String => text(value.as_str().unwrap_or_default(), method, &arguments)?,
        ValueKind::Number => number(value, method),
        ValueKind::Seq | ValueKind::Iterable => sequence(value, method, &arguments)?,
        ValueKind::Map => map(value, method)?,
        // What is undefined stays so, whatever is asked of it.
        ValueKind::Undefined => {
            return Err(Error::new(ErrorKind::UndefinedError, format!("'{method}' of what is undefined")));
        }
        ValueKind::None => {
            let what = format!("none has no method '{method}'; does the macro or query before it give something?");
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        _ => None,
    };
    match own {
        Some(value) => Ok(value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, values),
    }
}

fn padding(arguments: &Arguments, text: &str) -> Result<(usize, char), Error> {
    /// What a text may be filled up to.
    const WIDTH_MAX: usize = 1_000_000;
    let width = arguments.require(0, "width")?.as_usize().unwrap_or_default().min(WIDTH_MAX);
    let fill = arguments.get(1, "fillchar").and_then(|v| v.as_str().and_then(|s| s.chars().next())).unwrap_or(' ');
    Ok((width.saturating_sub(text.chars().count()), fill))
}

fn text(text: &str, method: &str, arguments: &Arguments) -> Result<Option<Value>, Error> {
    let filled = |many: usize, fill: char| fill.to_string().repeat(many);
    let all = |test: fn(char) -> bool| Value::from(!text.is_empty() && text.chars().all(test));
    Ok(Some(match method {
        "ljust" => {
            let (many, fill) = padding(arguments, text)?;
            format!("{text}{}", filled(many, fill)).into()
        }
        "rjust" => {
            let (many, fill) = padding(arguments, text)?;
            format!("{}{text}", filled(many, fill)).into()
        }
        "center" => {
            let (many, fill) = padding(arguments, text)?;
            format!("{}{text}{}", filled(many / 2, fill), filled(many - many / 2, fill)).into()
        }
        "zfill" => {
            let (many, _) = padding(arguments, text)?;
            let (sign, digits) = text.strip_prefix(['-', '+']).map_or(("", text), |digits| (&text[..1], digits));
            format!("{sign}{}{digits}", filled(many, '0')).into()
        }
        "partition" | "rpartition" => {
            let separator = arguments.text(0, "sep")?;
            let is_last = method == "rpartition";
            let found = if is_last { text.rfind(&separator) } else { text.find(&separator) };
            let parts = match found {
                Some(at) => [&text[..at], separator.as_str(), &text[at + separator.len()..]],
                None if is_last => ["", "", text],
                None => [text, "", ""],
            };
            tuple(parts.into_iter().map(Value::from).collect())
        }
        "split" | "rsplit" => split(text, method == "rsplit", arguments)?,
        "splitlines" => list(text.lines().map(Value::from).collect()),
        "index" => {
            let found = text.find(&arguments.text(0, "sub")?);
            let at = found.map(|at| text[..at].chars().count());
            at.map(Value::from)
                .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "index(): the text has no such part"))?
        }
        "removeprefix" => text.strip_prefix(&*arguments.text(0, "prefix")?).unwrap_or(text).into(),
        "removesuffix" => text.strip_suffix(&*arguments.text(0, "suffix")?).unwrap_or(text).into(),
        "swapcase" => {
            let swapped =
                |c: char| if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() };
            text.chars().map(swapped).collect::<String>().into()
        }
        "casefold" => text.to_lowercase().into(),
        "isspace" => all(char::is_whitespace),
        "isdecimal" | "isdigit" | "isnumeric" => all(|c| c.is_numeric()),
        "isidentifier" => {
            let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            (begins && text.chars().all(|c| c.is_alphanumeric() || c == '_')).into()
        }
        "encode" | "decode" => text.into(),
        "format" => super::python::format(text, arguments)?.into(),
        "startswith" | "endswith" => {
            let given = arguments.require(0, "prefix")?;
            let fits = |part: &str| if method == "startswith" { text.starts_with(part) } else { text.ends_with(part) };
            match given.as_str() {
                Some(part) => fits(part).into(),
                None => given.try_iter()?.any(|part| part.as_str().is_some_and(fits)).into(),
            }
        }
        _ => return Ok(None),
    }))
}

/// `split(sep, maxsplit)` from the left or the right.
fn split(text: &str, is_right: bool, arguments: &Arguments) -> Result<Value, Error> {
    let most = arguments.get(1, "maxsplit").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok());
    let parts = most.map_or(usize::MAX, |n| n.saturating_add(1));
    let given = arguments.get(0, "sep").filter(|sep| !sep.is_none());
    let mut found: Vec<Value> = match (given, is_right) {
        (Some(_), _) if arguments.text(0, "sep")?.is_empty() => {
            return Err(Error::new(ErrorKind::InvalidOperation, "split(): the separator is empty"));
        }
        (Some(_), false) => text.splitn(parts, &*arguments.text(0, "sep")?).map(Value::from).collect(),
        (Some(_), true) => text.rsplitn(parts, &*arguments.text(0, "sep")?).map(Value::from).collect(),
        (None, _) if most.is_none() => text.split_whitespace().map(Value::from).collect(),
        (None, false) => {
            let (mut rest, mut words) = (text.trim_start(), Vec::new());
            while !rest.is_empty() {
                if words.len() + 1 >= parts {
                    words.push(Value::from(rest));
                    break;
                }
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                words.push(Value::from(&rest[..end]));
                rest = rest[end..].trim_start();
            }
            words
        }
        (None, true) => {
            let (mut rest, mut words) = (text.trim_end(), Vec::new());
            while !rest.is_empty() {
                let start = rest.rfind(char::is_whitespace).filter(|_| words.len() + 1 < parts);
                let Some(at) = start else {
                    words.push(Value::from(rest));
                    break;
                };
                let word = rest[at..].trim_start();
                words.push(Value::from(word));
                rest = rest[..at].trim_end();
            }
            words
        }
    };
    if is_right && (given.is_some() || most.is_some()) {
        found.reverse();
    }
    Ok(list(found))
}

fn number(value: &Value, method: &str) -> Option<Value> {
    match method {
        "is_integer" => {
            Some((value.is_integer() || f64::try_from(value.clone()).is_ok_and(|n| n.fract() == 0.0)).into())
        }
        "bit_length" => {
            let number = i128::try_from(value.clone()).ok()?.unsigned_abs();
            Some((128 - number.leading_zeros()).into())
        }
        _ => None,
    }
}

fn sequence(value: &Value, method: &str, arguments: &Arguments) -> Result<Option<Value>, Error> {
    Ok(match method {
        "index" => {
            let item = arguments.require(0, "value")?;
            let at = value.try_iter()?.position(|i| i == *item);
            let missing = || Error::new(ErrorKind::InvalidOperation, "index(): there is no such item");
            Some(at.map(Value::from).ok_or_else(missing)?)
        }
        "copy" => Some(list(value.try_iter()?.collect())),
        "append" | "extend" | "insert" | "pop" | "remove" | "sort" | "reverse" => {
            let what = format!("{method}(): this sequence can't be changed; make a list of it first, by | list");
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        _ => None,
    })
}

fn map(value: &Value, method: &str) -> Result<Option<Value>, Error> {
    Ok(match method {
        "copy" => {
            let mut pairs = Vec::new();
            for key in value.try_iter()? {
                let of_key = value.get_item(&key)?;
                pairs.push((key, of_key));
            }
            Some(super::dict(pairs))
        }
        "update" | "pop" | "setdefault" => {
            let what = format!("{method}(): this dictionary can't be changed; copy it first, by copy()");
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        _ => None,
    })
}
