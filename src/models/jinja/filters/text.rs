//! Filters on texts: `center`, `indent`, `truncate`, `wordwrap`, `escape`, `urlencode` and their kin.

use super::{
    super::{printed, repr, values::pairs_of},
    Arguments, add, flag, subject, wrong,
};
use minijinja::{
    Environment, Error,
    value::{Value, ValueKind},
};

/// What a text may be filled up to.
const WIDTH_MAX: usize = 1_000_000;

/// Adds the filters.
pub(super) fn add_to(env: &mut Environment<'static>) {
    add(env, "center", |_, given| Ok(center(given)));
    add(env, "indent", |_, given| Ok(indent(given)));
    add(env, "truncate", |_, given| Ok(truncate(given)));
    add(env, "wordwrap", |_, given| Ok(wordwrap(given)));
    add(env, "wordcount", |_, given| {
        let text = printed(&subject(given));
        Ok(text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).count().into())
    });
    add(env, "striptags", |_, given| Ok(stripped(&printed(&subject(given))).into()));
    add(env, "urlencode", |_, given| urlencode(&subject(given)));
    add(env, "xmlattr", |_, given| xmlattr(given));
    for name in ["escape", "e"] {
        add(env, name, |_, given| Ok(Value::from_safe_string(escaped(&subject(given), false))));
    }
    add(env, "forceescape", |_, given| Ok(Value::from_safe_string(escaped(&subject(given), true))));
    add(env, "filesizeformat", |_, given| filesize(given));
    add(env, "pprint", |_, given| Ok(pretty(&subject(given)).into()));
    add(env, "trim", |_, given| {
        let text = printed(&subject(given));
        Ok(match given.get(1, "chars").filter(|chars| !chars.is_none()) {
            Some(chars) => text.trim_matches(printed(chars).chars().collect::<Vec<_>>().as_slice()).into(),
            None => text.trim().into(),
        })
    });
    add(env, "replace", |_, given| {
        let (text, old) = (printed(&subject(given)), printed(given.require(1, "old")?));
        let new = printed(given.require(2, "new")?);
        Ok(match given.get(3, "count").and_then(Value::as_usize) {
            Some(count) => text.replacen(&old, &new, count).into(),
            None => text.replace(&old, &new).into(),
        })
    });
    for (name, change) in [("upper", str::to_uppercase as fn(&str) -> String), ("lower", str::to_lowercase)] {
        env.add_filter(name, move |value: Value| change(&printed(&value)));
    }
}

fn center(given: &Arguments) -> Value {
    let text = printed(&subject(given));
    let width = given.get(1, "width").and_then(Value::as_usize).unwrap_or(80).min(WIDTH_MAX);
    centered(&text, width, ' ').into()
}

/// A text in the middle: of an odd rest Python gives the larger half to the left where the width is odd.
pub(in super::super) fn centered(text: &str, width: usize, fill: char) -> String {
    let rest = width.saturating_sub(text.chars().count());
    let left = rest / 2 + (rest & width & 1);
    let filled = |many: usize| fill.to_string().repeat(many);
    format!("{}{text}{}", filled(left), filled(rest - left))
}

fn indent(given: &Arguments) -> Value {
    let text = printed(&subject(given));
    let by = match given.get(1, "width") {
        Some(by) if by.kind() == ValueKind::String => by.to_string(),
        by => " ".repeat(by.and_then(Value::as_usize).unwrap_or(4).min(WIDTH_MAX)),
    };
    let (is_first, is_blank) = (flag(given, 2, "first"), flag(given, 3, "blank"));
    let mut indented = String::new();
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            indented.push('\n');
        }
        if (at > 0 || is_first) && (is_blank || at == 0 || !line.is_empty()) {
            indented.push_str(&by);
        }
        indented.push_str(line);
    }
    indented.into()
}

fn truncate(given: &Arguments) -> Value {
    let text = printed(&subject(given));
    let length = given.get(1, "length").and_then(Value::as_usize).unwrap_or(255);
    let end = given.get(3, "end").map_or_else(|| "...".to_owned(), printed);
    let leeway = given.get(4, "leeway").and_then(Value::as_usize).unwrap_or(5);
    let many = text.chars().count();
    if many <= length.saturating_add(leeway) {
        return text.into();
    }
    let cut: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept =
        if flag(given, 2, "killwords") { cut.as_str() } else { cut.rsplit_once(' ').map_or(&*cut, |(kept, _)| kept) };
    format!("{kept}{end}").into()
}

/// Lines of a width at most; lines that are there stay apart.
fn wordwrap(given: &Arguments) -> Value {
    let text = printed(&subject(given));
    let width = given.get(1, "width").and_then(Value::as_usize).unwrap_or(79).max(1);
    let breaks = given.get(2, "break_long_words").is_none_or(Value::is_true);
    let between = given.get(3, "wrapstring").filter(|w| !w.is_none()).map_or_else(|| "\n".to_owned(), printed);
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        let mut length = 0;
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let mut rest: Vec<char> = word.chars().collect();
            let blank = usize::from(length > 0);
            if length + blank + rest.len() <= width {
                current.push_str(if blank > 0 { " " } else { "" });
                current.extend(&rest);
                length += blank + rest.len();
                continue;
            }
            if breaks && rest.len() > width && length > 0 && length + 1 < width {
                let taken: Vec<char> = rest.drain(..width - length - 1).collect();
                current.push(' ');
                current.extend(taken);
                length = width;
            }
            if length > 0 {
                lines.push(std::mem::take(&mut current));
            }
            while breaks && rest.len() > width {
                lines.push(rest.drain(..width).collect());
            }
            length = rest.len();
            current.extend(rest);
        }
        lines.push(current);
    }
    lines.join(&between).into()
}

/// Without comments and tags, whitespace as one blank, entities as what they stand for.
fn stripped(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        let close = if rest[at..].starts_with("<!--") { "-->" } else { ">" };
        match rest[at..].find(close) {
            Some(end) => rest = &rest[at + end + close.len()..],
            None => {
                plain.push('<');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    let words: Vec<&str> = plain.split_whitespace().collect();
    let mut text = words.join(" ");
    for (entity, sign) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&amp;", "&")]
    {
        text = text.replace(entity, sign);
    }
    text
}

fn quoted(text: &str, kept: &str, is_plus: bool) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' if is_plus => quoted.push('+'),
            b if b.is_ascii_alphanumeric() || b"_.-~".contains(&b) || kept.as_bytes().contains(&b) => {
                quoted.push(char::from(b));
            }
            b => quoted.push_str(&format!("%{b:02X}")),
        }
    }
    quoted
}

fn urlencode(value: &Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::String || value.try_iter().is_err() {
        return Ok(quoted(&printed(value), "/", false).into());
    }
    let pair = |(key, value): &(Value, Value)| {
        format!("{}={}", quoted(&printed(key), "", true), quoted(&printed(value), "", true))
    };
    Ok(pairs_of(value)?.iter().map(pair).collect::<Vec<_>>().join("&").into())
}

/// A text safe within HTML; what is safe stays as it is, unless it is forced.
fn escaped(value: &Value, is_forced: bool) -> String {
    let text = printed(value);
    if value.is_safe() && !is_forced {
        return text;
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&#39;").replace('"', "&#34;")
}

fn xmlattr(given: &Arguments) -> Result<Value, Error> {
    let is_spaced = given.get(1, "autospace").is_none_or(Value::is_true);
    let mut parts = Vec::new();
    for (key, value) in pairs_of(&subject(given))? {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        if printed(&key).contains(|c: char| c.is_whitespace() || "/>=".contains(c)) {
            return Err(wrong("xmlattr: the name of an attribute has a character that it may not have"));
        }
        parts.push(format!("{}=\"{}\"", escaped(&key, false), escaped(&value, false)));
    }
    let blank = if is_spaced && !parts.is_empty() { " " } else { "" };
    Ok(format!("{blank}{}", parts.join(" ")).into())
}

fn filesize(given: &Arguments) -> Result<Value, Error> {
    let value = subject(given);
    let bytes = match value.as_str() {
        Some(text) => text.parse().map_err(|_| wrong("filesizeformat: this is no number"))?,
        None => f64::try_from(value)?,
    };
    let is_binary = flag(given, 1, "binary");
    let (base, units) = if is_binary {
        (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"])
    } else {
        (1000.0, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"])
    };
    if bytes.to_bits() == 1.0_f64.to_bits() {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes.trunc()).into());
    }
    let (mut size, mut at) = (bytes / base, 0);
    while size >= base && at + 1 < units.len() {
        size /= base;
        at += 1;
    }
    Ok(format!("{size:.1} {}", units[at]).into())
}

/// As `repr`, with the keys of dictionaries in order.
fn pretty(value: &Value) -> String {
    if value.kind() == ValueKind::Map
        && let Ok(mut pairs) = pairs_of(value)
    {
        pairs.sort();
        let pair = |(key, value): &(Value, Value)| format!("{}: {}", repr(key), pretty(value));
        return format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "));
    }
    repr(value)
}
