//! Python's methods of texts. Python docs, § String Methods.

use super::{Arguments, filters::centered, list, printed, tuple};
use minijinja::{
    Error, ErrorKind,
    value::{Value, ValueKind},
};

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// What a method gives; `None` where the engine's own collection has it, or nobody.
pub(super) fn call(text: &str, method: &str, arguments: &Arguments) -> Result<Option<Value>, Error> {
    let found = match question(text, method) {
        Some(found) => Some(found.into()),
        None => changed(text, method, arguments)?,
    };
    Ok(match found {
        Some(found) => Some(found),
        None => searched(text, method, arguments)?,
    })
}

/// Whether all characters are of a kind.
fn question(text: &str, method: &str) -> Option<bool> {
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    // Superscripts are digits to Python, fractions and Roman numerals only numeric.
    let is_superscript = |c: char| matches!(c, '²' | '³' | '¹' | '⁰' | '⁴'..='⁹' | '₀'..='₉' | '①'..='⑨');
    let is_decimal = |c: char| c.is_numeric() && (c.is_ascii() || !c.is_alphabetic()) && is_digit_of_a_script(c);
    Some(match method {
        "isspace" => all(char::is_whitespace),
        "isdecimal" => !text.is_empty() && text.chars().all(is_decimal),
        "isdigit" => !text.is_empty() && text.chars().all(|c| is_decimal(c) || is_superscript(c)),
        "isnumeric" => all(char::is_numeric),
        "isprintable" => text.chars().all(|c| c == ' ' || !(c.is_control() || c.is_whitespace())),
        "istitle" => is_title(text),
        "isidentifier" => {
            let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            begins && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        }
        _ => return None,
    })
}

/// Whether a numeric character is one of ten digits: those of ASCII and of the scripts that have digits in a row.
fn is_digit_of_a_script(c: char) -> bool {
    let code = u32::from(c);
    // The first digits of the scripts in the basic plane: Unicode, general category Nd.
    const ZEROS: [u32; 12] = [0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xe50, 0xed0, 0xff10];
    ZEROS.iter().any(|zero| (*zero..*zero + 10).contains(&code))
}

fn is_title(text: &str) -> bool {
    let (mut is_inside, mut has_any) = (false, false);
    for c in text.chars() {
        if (c.is_uppercase() && is_inside) || (c.is_lowercase() && !is_inside) {
            return false;
        }
        is_inside = c.is_uppercase() || c.is_lowercase();
        has_any |= is_inside;
    }
    has_any
}

/// Each word with a large first letter; any sign that is no letter ends a word.
fn title(text: &str) -> String {
    let mut is_inside = false;
    let mut titled = String::new();
    for c in text.chars() {
        if is_inside {
            titled.extend(c.to_lowercase())
        } else {
            titled.extend(c.to_uppercase())
        }
        is_inside = c.is_alphabetic();
    }
    titled
}

fn padding(arguments: &Arguments, text: &str) -> Result<(usize, char), Error> {
    /// What a text may be filled up to.
    const WIDTH_MAX: usize = 1_000_000;
    let width = arguments.require(0, "width")?.as_usize().unwrap_or_default().min(WIDTH_MAX);
    let fill = arguments.get(1, "fillchar").and_then(|v| v.as_str().and_then(|s| s.chars().next())).unwrap_or(' ');
    Ok((width.saturating_sub(text.chars().count()), fill))
}

/// Texts made of this one.
fn changed(text: &str, method: &str, arguments: &Arguments) -> Result<Option<Value>, Error> {
    let filled = |many: usize, fill: char| fill.to_string().repeat(many);
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
            centered(text, text.chars().count() + many, fill).into()
        }
        "zfill" => {
            let (many, _) = padding(arguments, text)?;
            let (sign, digits) = text.strip_prefix(['-', '+']).map_or(("", text), |digits| (&text[..1], digits));
            format!("{sign}{}{digits}", filled(many, '0')).into()
        }
        "title" => title(text).into(),
        "removeprefix" => text.strip_prefix(&*arguments.text(0, "prefix")?).unwrap_or(text).into(),
        "removesuffix" => text.strip_suffix(&*arguments.text(0, "suffix")?).unwrap_or(text).into(),
        "swapcase" => {
            let swapped =
                |c: char| if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() };
            text.chars().map(swapped).collect::<String>().into()
        }
        "casefold" => text.to_lowercase().replace('ß', "ss").into(),
        "expandtabs" => {
            expanded(text, arguments.get(0, "tabsize").and_then(Value::as_usize).unwrap_or(8).min(1000)).into()
        }
        "translate" => translated(text, arguments.require(0, "table")?).into(),
        "encode" | "decode" => text.into(),
        "format" => super::python::format(text, arguments)?.into(),
        "join" => {
            let mut parts = Vec::new();
            for part in arguments.require(0, "iterable")?.try_iter()? {
                if part.kind() != ValueKind::String {
                    return Err(wrong("join(): what is joined must be texts; take the filter: ... | join(',')"));
                }
                parts.push(printed(&part));
            }
            parts.join(text).into()
        }
        "split" | "rsplit" => split(text, method == "rsplit", arguments)?,
        "splitlines" => lines(text, arguments.get(0, "keepends").is_some_and(Value::is_true)),
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
        _ => return Ok(None),
    }))
}

/// Tabs as blanks up to the next column that is a multiple of `size`.
fn expanded(text: &str, size: usize) -> String {
    let (mut expanded, mut column) = (String::new(), 0);
    for c in text.chars() {
        if c == '\t' {
            let many = if size == 0 { 0 } else { size - column % size };
            expanded.push_str(&" ".repeat(many));
            column += many;
        } else {
            expanded.push(c);
            column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
        }
    }
    expanded
}

/// Characters as a table has them, by their number: none takes one away.
fn translated(text: &str, table: &Value) -> String {
    let mut translated = String::new();
    for c in text.chars() {
        match table.get_item(&Value::from(u32::from(c))).unwrap_or(Value::UNDEFINED) {
            found if found.is_undefined() => translated.push(c),
            found if found.is_none() => {}
            found => match found.as_i64().and_then(|code| char::from_u32(u32::try_from(code).ok()?)) {
                Some(other) => translated.push(other),
                None => translated.push_str(&printed(&found)),
            },
        }
    }
    translated
}

/// The lines of a text; a line feed, a carriage return or both end one.
fn lines(text: &str, keeps_ends: bool) -> Value {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(['\n', '\r']) {
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        found.push(Value::from(&rest[..if keeps_ends { end } else { at }]));
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        found.push(rest.into());
    }
    list(found)
}

/// The part of a text between two places as Python counts them, and how many characters stand before it.
fn within<'a>(text: &'a str, arguments: &Arguments) -> Option<(&'a str, usize)> {
    let length = i64::try_from(text.chars().count()).ok()?;
    let place = |at: usize, name: &str, usual: i64| {
        let given = arguments.get(at, name).and_then(Value::as_i64).unwrap_or(usual);
        usize::try_from(if given < 0 { (given + length).max(0) } else { given.min(length + 1) }).ok()
    };
    let (from, until) = (place(1, "start", 0)?, place(2, "end", length)?);
    let bytes = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    if from > until || i64::try_from(from).ok()? > length {
        return None;
    }
    Some((&text[bytes(from)..bytes(until)], from))
}

/// Where parts are in this text, and how often.
fn searched(text: &str, method: &str, arguments: &Arguments) -> Result<Option<Value>, Error> {
    if !matches!(method, "find" | "rfind" | "index" | "rindex" | "count" | "startswith" | "endswith") {
        return Ok(None);
    }
    let part = within(text, arguments);
    if matches!(method, "startswith" | "endswith") {
        let given = arguments.require(0, "prefix")?;
        let fits = |wanted: &str| {
            part.is_some_and(
                |(part, _)| {
                    if method == "startswith" { part.starts_with(wanted) } else { part.ends_with(wanted) }
                },
            )
        };
        return Ok(Some(match given.as_str() {
            Some(wanted) => fits(wanted).into(),
            None => given.try_iter()?.any(|wanted| wanted.as_str().is_some_and(fits)).into(),
        }));
    }
    let wanted = arguments.text(0, "sub")?;
    if method == "count" {
        return Ok(Some(part.map_or(0, |(part, _)| part.matches(&*wanted).count()).into()));
    }
    let found = part.and_then(|(part, before)| {
        let byte = if method.starts_with('r') { part.rfind(&*wanted) } else { part.find(&*wanted) }?;
        Some(before + part[..byte].chars().count())
    });
    match found {
        Some(at) => Ok(Some(at.into())),
        None if method.ends_with("find") => Ok(Some((-1).into())),
        None => Err(wrong("index(): the text has no such part")),
    }
}

/// `split(sep, maxsplit)` from the left or the right.
fn split(text: &str, is_right: bool, arguments: &Arguments) -> Result<Value, Error> {
    let most = arguments.get(1, "maxsplit").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok());
    let parts = most.map_or(usize::MAX, |n| n.saturating_add(1));
    let given = arguments.get(0, "sep").filter(|sep| !sep.is_none());
    let mut found: Vec<Value> = match (given, is_right) {
        (Some(_), _) if arguments.text(0, "sep")?.is_empty() => {
            return Err(wrong("split(): the separator is empty"));
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
