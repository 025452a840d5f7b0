//! What must stand where in a YAML file, as far as dbt 1.10 is strict.
//!
//! Only looked at; what a file says is taken from it as it is. A text with Jinja in it may become anything, so it fits
//! everywhere. [`entries`] says it of properties, [`project`] of `dbt_project.yml`, [`config`] of what configures nodes.

mod config;
mod entries;
mod project;

pub(in crate::models) use config::look_at_config;

use super::yaml::{Step, Strange};
use serde_json::{Map, Value};

/// What a value must be.
#[derive(Debug)]
enum Shape {
    Text,
    Flag,
    Map,
    /// A text or a number: versions.
    Version,
    /// A number without a fraction.
    Whole,
    /// A date, or a date with a time.
    Moment,
    Any,
    OneOf(&'static [&'static str]),
    /// The same in letters of any case.
    Word(&'static [&'static str]),
    /// A number, or its digits.
    Count,
    Maybe(&'static Shape),
    Either(&'static Shape, &'static Shape),
    List(&'static Shape),
    Fields(&'static Fields),
}

/// A map with keys that are known.
#[derive(Debug)]
struct Fields {
    keys: &'static [(&'static str, Shape)],
    needed: &'static [&'static str],
    /// Whether other keys are passed over. If not, they are wrong.
    is_open: bool,
}

const MAYBE_TEXT: Shape = Shape::Maybe(&Shape::Text);
const TEXTS: Shape = Shape::List(&Shape::Text);
const MAPS: Shape = Shape::List(&Shape::Map);

/// What is wrong, and at the end of which steps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub steps: Vec<Step>,
    pub what: String,
}

/// Looks at an entry of a list.
pub(super) fn look_at(list: &str, entry: &Map<String, Value>) -> Result<(), Misfit> {
    looked_at(entry, entries::of(list))
}

/// Looks at `dbt_project.yml`.
pub(super) fn look_at_project(file: &Map<String, Value>) -> Result<(), Misfit> {
    looked_at(file, &project::FILE)?;
    project::agree(file)
}

fn looked_at(map: &Map<String, Value>, fields: &Fields) -> Result<(), Misfit> {
    fits_fields(map, fields).map_err(|mut misfit| {
        misfit.steps.reverse();
        misfit
    })
}

/// Looks at what JSON has no word for in an entry of a list: dates where texts must be, and keys that are no texts.
pub(super) fn look_at_strange(list: &str, steps: &[Step], strange: Strange) -> Result<(), Misfit> {
    strange_fits(&Shape::Fields(entries::of(list)), steps, strange)
}

/// As [`look_at_strange`], of `dbt_project.yml`.
pub(super) fn look_at_strange_in_project(steps: &[Step], strange: Strange) -> Result<(), Misfit> {
    strange_fits(&Shape::Fields(&project::FILE), steps, strange)
}

fn strange_fits(shape: &Shape, steps: &[Step], strange: Strange) -> Result<(), Misfit> {
    let refused = |what: String| Err(Misfit { steps: Vec::new(), what });
    let Some((step, below)) = steps.split_first() else {
        return match (shape, strange) {
            (Shape::Maybe(shape), _) => strange_fits(shape, steps, strange),
            (Shape::Either(first, second), _) => {
                strange_fits(first, steps, strange).or_else(|_| strange_fits(second, steps, strange))
            }
            (Shape::Map | Shape::Fields(_), Strange::Key) => {
                refused("each key here must be a text; quote it".to_owned())
            }
            (Shape::Any | Shape::Moment, Strange::Moment) | (_, Strange::Key) => Ok(()),
            (shape, Strange::Moment) => refused(format!("it must be {}, not a date; quote it", shape.named())),
        };
    };
    match (shape, step) {
        (Shape::Maybe(shape), _) => strange_fits(shape, steps, strange),
        (Shape::Either(first, second), _) => {
            strange_fits(first, steps, strange).or_else(|_| strange_fits(second, steps, strange))
        }
        (Shape::List(shape), Step::Item(_)) => strange_fits(shape, below, strange),
        (Shape::Fields(fields), Step::Key(key)) => match fields.keys.iter().find(|(known, _)| known == key) {
            Some((_, shape)) => strange_fits(shape, below, strange),
            None => Ok(()),
        },
        _ => Ok(()),
    }
    .map_err(|mut misfit| {
        if misfit.steps.is_empty() {
            misfit.steps = steps.to_vec();
        }
        misfit
    })
}

/// The keys of an entry and of its columns and tables that mean nothing.
pub(super) fn odd(list: &str, entry: &Map<String, Value>) -> Vec<Misfit> {
    let mut found = Vec::new();
    // What this version only passes on has keys of its own.
    if !matches!(list, "metrics" | "semantic_models" | "saved_queries") {
        odd_below(entry, entries::of(list), &mut Vec::new(), &mut found);
    }
    found
}

fn odd_below(map: &Map<String, Value>, fields: &Fields, way: &mut Vec<Step>, found: &mut Vec<Misfit>) {
    for (key, value) in map {
        let shape = fields.keys.iter().find(|(known, _)| known == key).map(|(_, shape)| shape);
        way.push(Step::Key(key.clone()));
        match shape {
            None if entries::is_odd(key) => {
                found.push(Misfit { steps: way.clone(), what: format!("it means nothing here{}", near(fields, key)) });
            }
            Some(Shape::List(Shape::Fields(below))) if matches!(key.as_str(), "columns" | "tables") => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    way.push(Step::Item(at));
                    if let Value::Object(item) = item {
                        odd_below(item, below, way, found);
                    }
                    way.pop();
                }
            }
            _ => {}
        }
        way.pop();
    }
}

/// `; did you mean 'x'?`, where a key is near one that there is.
fn near(fields: &Fields, key: &str) -> String {
    let near = fields.keys.iter().map(|(known, _)| *known);
    let near = near.max_by(|a, b| strsim::jaro(a, key).total_cmp(&strsim::jaro(b, key)));
    let near = near.filter(|near| strsim::jaro(near, key) > 0.75);
    near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"))
}

/// The steps of what is given back are in reverse.
fn fits(value: &Value, shape: &Shape) -> Result<(), Misfit> {
    let is_jinja = value.as_str().is_some_and(is_jinja);
    let is_it = match shape {
        _ if is_jinja => true,
        Shape::Text => value.is_string(),
        Shape::Flag => value.is_boolean(),
        Shape::Map => value.is_object(),
        // JSON Schema counts 1.0 as whole.
        Shape::Whole => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Shape::Moment => value.as_str().is_some_and(is_moment),
        Shape::Any => true,
        Shape::Version => value.is_string() || value.is_number(),
        Shape::OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        Shape::Word(words) => {
            value.as_str().is_some_and(|text| words.iter().any(|word| word.eq_ignore_ascii_case(text)))
        }
        Shape::Count => value.is_number() || value.as_str().is_some_and(|text| text.trim().parse::<i64>().is_ok()),
        Shape::Maybe(shape) => return if value.is_null() { Ok(()) } else { fits(value, shape) },
        Shape::Either(first, second) => match fits(value, first).or_else(|_| fits(value, second)) {
            // Of what is nothing of both, both are named.
            Err(misfit) if misfit.steps.is_empty() => false,
            found => return found,
        },
        Shape::List(shape) => match value {
            Value::Array(items) => {
                return items
                    .iter()
                    .enumerate()
                    .try_for_each(|(at, item)| fits(item, shape).map_err(|misfit| misfit.below(Step::Item(at))));
            }
            _ => false,
        },
        Shape::Fields(fields) => match value {
            Value::Object(map) => return fits_fields(map, fields),
            _ => false,
        },
    };
    if is_it {
        return Ok(());
    }
    Err(Misfit { steps: Vec::new(), what: format!("it must be {}, not {}", shape.named(), kind_of(value)) })
}

fn fits_fields(map: &Map<String, Value>, fields: &Fields) -> Result<(), Misfit> {
    let wrong = |key: Option<&str>, what: String| {
        let steps = key.map(|key| Step::Key(key.to_owned())).into_iter().collect();
        Err(Misfit { steps, what })
    };
    if let Some(missing) = fields.needed.iter().find(|key| !map.contains_key(**key)) {
        return wrong(None, format!("it has no '{missing}'"));
    }
    for (key, value) in map {
        match fields.keys.iter().find(|(known, _)| known == key) {
            Some((_, shape)) => {
                fits(value, shape).map_err(|misfit| misfit.below(Step::Key(key.clone())))?;
            }
            None if fields.is_open => {}
            None => {
                return wrong(Some(key), format!("there is no such key here{}", near(fields, key)));
            }
        }
    }
    Ok(())
}

impl Misfit {
    /// The steps, for people: `columns, entry 2, tags`.
    pub(super) fn way(&self) -> String {
        let word = |step: &Step| match step {
            Step::Key(key) => key.clone(),
            Step::Item(at) => format!("entry {}", at + 1),
        };
        self.steps.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    fn below(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Shape {
    fn named(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Map | Self::Fields(_) => "a map".to_owned(),
            Self::Version => "a text or a number".to_owned(),
            Self::Whole => "a whole number".to_owned(),
            Self::Moment => "a date".to_owned(),
            Self::Any => "anything".to_owned(),
            Self::OneOf(words) | Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Count => "a number".to_owned(),
            Self::Maybe(shape) => shape.named(),
            Self::Either(first, second) => format!("{} or {}", first.named(), second.named()),
            Self::List(_) => "a list".to_owned(),
        }
    }
}

/// Whether a text is a template.
fn is_jinja(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Whether a text is a date, or a date with a time and perhaps a zone, as ISO 8601 writes them.
fn is_moment(text: &str) -> bool {
    text.parse::<chrono::NaiveDate>().is_ok()
        || text.parse::<chrono::NaiveDateTime>().is_ok()
        || chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").is_ok()
        || text.parse::<chrono::DateTime<chrono::FixedOffset>>().is_ok()
}

/// What a value is, without telling it.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "this text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn misfit(list: &str, entry: Value) -> Option<(String, String)> {
        let Value::Object(entry) = entry else { panic!("an entry is a map") };
        look_at(list, &entry).err().map(|misfit| {
            let step = |step: &Step| match step {
                Step::Key(key) => key.clone(),
                Step::Item(at) => at.to_string(),
            };
            (misfit.steps.iter().map(step).collect::<Vec<_>>().join("."), misfit.what)
        })
    }

    #[test]
    fn what_dbt_accepts_fits() {
        for (list, entry) in [
            ("models", json!({"name": "a", "tags": ["x"], "foo": 1})),
            (
                "models",
                json!({"name": "a", "columns": [{"name": "x", "foo": 1, "quote": null, "data_tests": ["unique", {"a": 1}]}]}),
            ),
            (
                "models",
                json!({"name": "a", "versions": [{"v": 1, "columns": [{"include": "all", "exclude": ["x"]}, {"name": "y"}]}, {"v": 1.5}]}),
            ),
            ("models", json!({"name": "a", "columns": [{"name": "x", "quote": "{{ var('q') }}"}]})),
            (
                "sources",
                json!({"name": "s", "freshness": null, "tables": [{"name": "t", "foo": 1, "freshness": {"warn_after": null}}]}),
            ),
            (
                "sources",
                json!({"name": "s", "freshness": {"warn_after": {"count": 1}, "error_after": {"count": 2, "period": "day"}}}),
            ),
            ("exposures", json!({"name": "e", "type": "ml", "owner": {"email": ["a@b", "c@d"], "slack": "x"}})),
            ("groups", json!({"name": "g", "owner": {"name": "x"}, "config": {"meta": {}}})),
            (
                "unit_tests",
                json!({"name": "u", "model": "m", "given": [{"input": "ref('a')", "rows": "a\n1", "format": "csv"}], "expect": {"rows": []}}),
            ),
            ("macros", json!({"name": "m", "arguments": [{"name": "a", "type": "string"}]})),
            ("metrics", json!({"name": "m", "label": "M", "type": "simple", "type_params": {"measure": 3}})),
            ("seeds", json!({"name": "s", "deprecation_date": 3, "latest_version": []})),
            ("analyses", json!({"name": "a", "columns": [{"name": "x", "tests": 3}]})),
            ("sources", json!({"name": "s", "tables": [{"name": "t", "external": {"odd": 1, "partitions": ["p"]}}]})),
        ] {
            assert_eq!(misfit(list, entry.clone()), None, "{entry}");
        }
    }

    #[test]
    fn what_dbt_refuses_is_told_with_its_way() {
        for (list, entry, way) in [
            ("models", json!({"name": "a", "columns": 3}), "columns"),
            ("models", json!({"name": "a", "columns": null}), "columns"),
            ("models", json!({"name": "a", "columns": [{"name": "x"}, {"nm": "x"}]}), "columns.1"),
            ("models", json!({"name": "a", "description": null}), "description"),
            ("models", json!({"name": "a", "config": [1]}), "config"),
            ("models", json!({"name": "a", "data_tests": [null]}), "data_tests.0"),
            ("models", json!({"name": 1}), "name"),
            ("models", json!({"name": "a", "time_spine": 3}), "time_spine"),
            ("models", json!({"name": "a", "access": "odd"}), "access"),
            ("models", json!({"name": "a", "deprecation_date": "soon"}), "deprecation_date"),
            ("seeds", json!({"name": "s", "versions": 3}), "versions"),
            (
                "sources",
                json!({"name": "s", "tables": [{"name": "t", "external": {"location": 3}}]}),
                "tables.0.external.location",
            ),
            (
                "sources",
                json!({"name": "s", "freshness": {"warn_after": {"count": 1.5, "period": "day"}}}),
                "freshness.warn_after.count",
            ),
            ("metrics", json!({"name": "m"}), ""),
            ("models", json!({"name": "a", "columns": [{"name": "x", "tags": "t"}]}), "columns.0.tags"),
            ("models", json!({"name": "a", "versions": [{}]}), "versions.0"),
            ("models", json!({"name": "a", "versions": [{"v": 1, "foo": 2}]}), "versions.0.foo"),
            ("sources", json!({"name": "s", "foo": 1}), "foo"),
            (
                "sources",
                json!({"name": "s", "freshness": {"warn_after": {"count": 1, "period": "days"}}}),
                "freshness.warn_after.period",
            ),
            ("exposures", json!({"name": "e", "type": "x", "owner": {}}), "type"),
            ("groups", json!({"name": "g"}), ""),
            ("unit_tests", json!({"name": "u", "model": "m", "given": [], "expect": {"format": "x"}}), "expect.format"),
            ("macros", json!({"name": "m", "arguments": [{"name": "a", "foo": 1}]}), "arguments.0.foo"),
        ] {
            assert_eq!(misfit(list, entry.clone()).map(|(way, _)| way).as_deref(), Some(way), "{entry}");
        }
        let told = misfit("sources", json!({"name": "s", "shema": "x"}));
        assert_eq!(told, Some(("shema".to_owned(), "there is no such key here; did you mean 'schema'?".to_owned())));
    }
}
