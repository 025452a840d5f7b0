//! Filters that dbt has and the engine lacks, and those whose lists a template may change.

use super::{Arguments, json_text, list, to_json, tuple};
use minijinja::{
    Environment, Error,
    value::{Kwargs, Rest, Value, ValueKind},
};

/// Adds the filters and tests.
pub(super) fn add_to(env: &mut Environment<'static>) {
    for name in ["as_text", "as_native"] {
        env.add_filter(name, |value: Value| value);
    }
    env.add_filter("as_bool", |value: Value| match value.as_str() {
        Some(text) if text.eq_ignore_ascii_case("true") => Value::from(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Value::from(false),
        _ => value,
    });
    env.add_filter("as_number", |value: Value| match value.as_str() {
        Some(text) => {
            text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from)).unwrap_or(value)
        }
        None => value,
    });
    env.add_filter("list", |value: Value| made(&value));
    env.add_filter("tojson", |value: Value, _: Kwargs| json_text(&to_json(&value)));
    env.add_filter("string", |value: Value| value.to_string());
    env.add_filter("join", join);
    env.add_filter("float", |value: Value, default: Option<f64>| float(&value).or(default).unwrap_or_default());
    env.add_filter("format", |format: Value, values: Rest<Value>| {
        super::percent::format(&format.to_string(), &tuple(values.0))
    });
    for name in ["sort", "unique", "map", "select", "reject", "selectattr", "rejectattr"] {
        env.add_filter(name, move |value: Value, more: Rest<Value>, named: Kwargs| wrapped(name, value, more, named));
    }
    env.add_filter("wordcount", |text: String| text.split_whitespace().count());
    env.add_filter("center", |text: String, width: Option<usize>| {
        let missing = width.unwrap_or(80).min(REPEATED_MAX).saturating_sub(text.chars().count());
        format!("{}{text}{}", " ".repeat(missing / 2), " ".repeat(missing - missing / 2))
    });
    env.add_filter("truncate", truncate);
    env.add_filter("pprint", |value: Value| super::repr(&value));
    env.add_filter("is_list", |value: Value| matches!(value.kind(), ValueKind::Seq) && !value.is_tuple());
    env.add_test("list", |value: Value| matches!(value.kind(), ValueKind::Seq) && !value.is_tuple());
    env.add_test("tuple", |value: Value| value.is_tuple());
}

/// Cuts a text behind a word where it can, and says so by `...`; a few characters too many are let be.
fn truncate(text: String, more: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let all: Vec<Value> = more.0.into_iter().chain([Value::from(named)]).collect();
    let arguments = Arguments::of("truncate", &all);
    let count = |place, name, usual| arguments.get(place, name).and_then(Value::as_usize).unwrap_or(usual);
    let (length, leeway) = (count(0, "length", 255), count(3, "leeway", 5));
    let kills = arguments.get(1, "killwords").is_some_and(Value::is_true);
    let end = arguments.get(2, "end").map_or_else(|| "...".to_owned(), ToString::to_string);
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let kept: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept = if kills { kept.as_str() } else { kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words) };
    Ok(format!("{kept}{end}"))
}

/// What a filter may fill a text up to.
const REPEATED_MAX: usize = 1_000_000;

/// A list of what a value holds; the characters of a text, the keys of a map.
fn made(value: &Value) -> Result<Value, Error> {
    Ok(list(value.try_iter()?.collect()))
}

/// A list again, where the engine's own filter gives a sequence that can't be changed. The own one is asked of an
/// environment that has nothing else, since ours stands before it here.
fn wrapped(name: &'static str, value: Value, more: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    thread_local! {
        static BARE: Environment<'static> = Environment::new();
    }
    let mut all: Vec<Value> = std::iter::once(value).chain(more.0).collect();
    // Filters that know no names refuse an empty list of them too.
    if named.args().count() > 0 {
        all.push(named.into());
    }
    let found = BARE.with(|bare| bare.empty_state().apply_filter(name, &all))?;
    made(&found)
}

/// Text between items, which may be those of an attribute.
fn join(value: Value, separator: Option<Value>, options: Kwargs) -> Result<String, Error> {
    let separator = match separator {
        Some(separator) => Some(separator.to_string()),
        None => options.get::<Option<String>>("d")?,
    };
    let attribute: Option<String> = options.get("attribute")?;
    let mut texts = Vec::new();
    for item in value.try_iter()? {
        let item = match &attribute {
            Some(attribute) => item.get_attr(attribute)?,
            None => item,
        };
        texts.push(item.to_string());
    }
    Ok(texts.join(&separator.unwrap_or_default()))
}

fn float(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    }
}
