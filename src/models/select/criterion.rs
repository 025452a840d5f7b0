//! One part of a selection: `2+tag:daily+1`.

use crate::error::{Error, Kind, Result};
use serde_json::Value;

/// Which tests come with the nodes that they are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indirect {
    /// Those of which any parent is selected.
    #[default]
    Eager,
    /// Those of which all parents are.
    Cautious,
    /// Those of which all parents are, or are above what is.
    Buildable,
    /// None.
    Empty,
}

impl Indirect {
    /// What a word means.
    ///
    /// # Errors
    /// It means none.
    pub fn of(word: &str) -> Result<Self> {
        let all = [Self::Eager, Self::Cautious, Self::Buildable, Self::Empty];
        all.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(word)).ok_or_else(|| {
            let what = format!("indirect selection '{word}': it is eager, cautious, buildable or empty");
            Error::new(Kind::UnknownSelection, what)
        })
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Cautious => "cautious",
            Self::Buildable => "buildable",
            Self::Empty => "empty",
        }
    }
}

/// One part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Criterion {
    /// As it was written.
    pub raw: String,
    /// How the value is meant: `tag`.
    pub method: String,
    /// What stands behind the method's dots: `materialized` of `config.materialized`.
    pub arguments: Vec<String>,
    /// What is looked for.
    pub value: String,
    /// `@`: with what needs it, and all that those need.
    pub at: bool,
    /// With what it needs, so many steps up.
    pub parents: Option<usize>,
    /// With what needs it, so many steps down.
    pub children: Option<usize>,
    /// Which tests come along.
    pub indirect: Indirect,
}

impl Criterion {
    /// Takes a part of a command's selection apart.
    pub(super) fn of_text(raw: &str, indirect: Indirect) -> Result<Self> {
        let (at, text) = raw.strip_prefix('@').map_or((false, raw), |rest| (true, rest));
        let is_steps = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let (parents, text) = match text.split_once('+') {
            Some((steps, rest)) if is_steps(steps) => (Some(steps_of(steps)), rest),
            _ => (None, text),
        };
        let is_method = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
        let (method, text) = match text.split_once(':') {
            Some((method, rest)) if is_method(method) => (Some(method), rest),
            _ => (None, text),
        };
        let (value, children) = match text.rsplit_once('+') {
            Some((value, steps)) if is_steps(steps) => (value, Some(steps_of(steps))),
            _ => (text, None),
        };
        let (method, arguments) = apart(method.unwrap_or_else(|| usual_method(value)));
        let value = value.to_owned();
        Self { raw: raw.to_owned(), method, arguments, value, at, parents, children, indirect }.sound()
    }

    /// Takes a definition in `selectors.yml` apart: `method`, `value` and what goes with them.
    pub(super) fn of_map(map: &serde_json::Map<String, Value>, indirect: Indirect) -> Result<Self> {
        let raw = Value::Object(map.clone()).to_string();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let flag = |key: &str| map.get(key).is_some_and(|v| v.as_bool().unwrap_or_else(|| !v.is_null()));
        let depth = |key: &str| map.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let steps = |has: &str, how_far: &str| flag(has).then(|| depth(how_far).unwrap_or(usize::MAX));
        let (method, value) = match (map.get("method"), map.get("value")) {
            (Some(method), Some(value)) => (text(method), text(value)),
            _ => match map.iter().next().filter(|_| map.len() == 1) {
                Some((method, value)) => (method.clone(), text(value)),
                None => {
                    let what = format!("{raw}: it needs 'method' and 'value', or one method with its value");
                    return Err(Error::new(Kind::ModelProject, what));
                }
            },
        };
        let (method, arguments) = apart(&method);
        let indirect = match map.get("indirect_selection").and_then(Value::as_str) {
            Some(word) => Indirect::of(word)?,
            None => indirect,
        };
        let (parents, children) = (steps("parents", "parents_depth"), steps("children", "children_depth"));
        Self { raw, method, arguments, value, at: flag("childrens_parents"), parents, children, indirect }.sound()
    }

    fn sound(self) -> Result<Self> {
        if self.at && self.children.is_some() {
            let what = format!("selection '{}': '@' before and '+' behind don't go together", self.raw);
            return Err(Error::new(Kind::UnknownSelection, what));
        }
        Ok(self)
    }
}

fn steps_of(text: &str) -> usize {
    text.parse().unwrap_or(usize::MAX)
}

fn usual_method(value: &str) -> &'static str {
    let is_file = [".sql", ".py", ".csv"].iter().any(|ending| value.to_lowercase().ends_with(ending));
    if value.contains('/') {
        "path"
    } else if is_file {
        "file"
    } else {
        "fqn"
    }
}

fn apart(method: &str) -> (String, Vec<String>) {
    let mut parts = method.split('.').map(str::to_owned);
    (parts.next().unwrap_or_default(), parts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Criterion {
        Criterion::of_text(text, Indirect::Eager).expect("a good part")
    }

    #[test]
    fn signs_method_and_value_are_told_apart() {
        let all = usize::MAX;
        for (text, method, value, at, parents, children) in [
            ("a", "fqn", "a", false, None, None),
            ("+a", "fqn", "a", false, Some(all), None),
            ("2+a+1", "fqn", "a", false, Some(2), Some(1)),
            ("@a", "fqn", "a", true, None, None),
            ("tag:x+", "tag", "x", false, None, Some(all)),
            ("+source:a.b", "source", "a.b", false, Some(all), None),
            ("models/b/*.sql", "path", "models/b/*.sql", false, None, None),
            ("a.csv", "file", "a.csv", false, None, None),
            ("1+path:a/b", "path", "a/b", false, Some(1), None),
        ] {
            let found = of(text);
            let seen = (found.method.as_str(), found.value.as_str(), found.at, found.parents, found.children);
            assert_eq!(seen, (method, value, at, parents, children), "{text}");
        }
        assert_eq!(of("config.meta.owner:x").arguments, ["meta", "owner"]);
    }

    #[test]
    fn a_sign_before_and_one_behind_that_contradict_are_refused() {
        let error = Criterion::of_text("@a+", Indirect::Eager).expect_err("dbt refuses it");
        assert!(error.to_string().contains("'@a+'"), "{error}");
    }
}
