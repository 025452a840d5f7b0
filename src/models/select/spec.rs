//! A selection as a whole: parts that are united, intersected and taken away, from a command's words or `selectors.yml`.

use super::criterion::{Criterion, Indirect};
use crate::{
    error::{Error, Kind, Result},
    models::reading::selectors::{FILE, Selector},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How deep definitions may lie in one another.
const DEPTH_MAX: usize = 50;

/// A selection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Spec {
    /// One part.
    One(Criterion),
    /// All that any part selects.
    Union(Vec<Spec>, Indirect),
    /// What every part selects.
    Intersection(Vec<Spec>, Indirect),
    /// What the first selects and the second does not.
    Difference(Box<Spec>, Box<Spec>, Indirect),
}

impl Spec {
    /// Of a command's words. Several are united, with commas between them intersected.
    pub(super) fn of_words(words: &[String], indirect: Indirect) -> Result<Self> {
        let mut union = Vec::new();
        for word in words.iter().flat_map(|w| w.split_whitespace()) {
            let parts = word.split(',').filter(|part| !part.is_empty());
            let mut parts =
                parts.map(|p| Criterion::of_text(p, indirect).map(Self::One)).collect::<Result<Vec<_>>>()?;
            match parts.len() {
                0 => {}
                1 => union.extend(parts.pop()),
                _ => union.push(Self::Intersection(parts, indirect)),
            }
        }
        Ok(Self::Union(union, indirect))
    }
}

/// The selections of `selectors.yml`, by name. Each may name those above it.
pub(super) fn named(selectors: &[Selector], indirect: Indirect) -> Result<BTreeMap<String, Spec>> {
    let mut all = BTreeMap::new();
    for selector in selectors {
        let read = Reading { known: &all, indirect };
        let spec = read.definition(&selector.definition, 0);
        let spec = spec.map_err(|error| error.during(format!("{FILE}: {}", selector.name)))?;
        all.insert(selector.name.clone(), spec);
    }
    Ok(all)
}

struct Reading<'a> {
    known: &'a BTreeMap<String, Spec>,
    indirect: Indirect,
}

fn wrong(what: String) -> Error {
    Error::new(Kind::ModelProject, what)
}

impl Reading<'_> {
    fn definition(&self, definition: &Value, depth: usize) -> Result<Spec> {
        if depth > DEPTH_MAX {
            return Err(wrong(format!("definitions lie more than {DEPTH_MAX} deep in one another")));
        }
        match definition {
            Value::String(text) => Criterion::of_text(text, self.indirect).map(Spec::One),
            Value::Object(map) => self.map(map, depth),
            other => Err(wrong(format!("{other} is neither a text nor a map"))),
        }
    }

    fn map(&self, map: &Map<String, Value>, depth: usize) -> Result<Spec> {
        for (key, is_union) in [("union", true), ("intersection", false)] {
            let Some(parts) = map.get(key) else { continue };
            if depth == 0 && map.len() > 1 {
                let keys: Vec<&str> = map.keys().map(String::as_str).collect();
                return Err(wrong(format!("beside '{key}' nothing else can stand, and there are {}", keys.join(", "))));
            }
            let (parts, excluded) = self.parts(key, parts, depth)?;
            let all =
                if is_union { Spec::Union(parts, self.indirect) } else { Spec::Intersection(parts, self.indirect) };
            return Ok(self.without(all, excluded));
        }
        if map.get("method").and_then(Value::as_str) == Some("selector") {
            let name = map.get("value").and_then(Value::as_str).unwrap_or_default();
            let known = self.known.get(name).cloned();
            return known.ok_or_else(|| wrong(format!("there is no selector '{name}' above this one")));
        }
        let mut own = map.clone();
        let excluded = own.remove("exclude").map(|e| self.excluded(&e, depth)).transpose()?.flatten();
        Ok(self.without(Spec::One(Criterion::of_map(&own, self.indirect)?), excluded))
    }

    fn without(&self, all: Spec, excluded: Option<Spec>) -> Spec {
        match excluded {
            Some(excluded) => Spec::Difference(Box::new(all), Box::new(excluded), self.indirect),
            None => all,
        }
    }

    /// The parts of a union or an intersection, and what is excluded from it.
    fn parts(&self, key: &str, parts: &Value, depth: usize) -> Result<(Vec<Spec>, Option<Spec>)> {
        let parts = parts.as_array().ok_or_else(|| wrong(format!("'{key}' must be a list")))?;
        let (mut included, mut excluded) = (Vec::new(), None);
        for part in parts {
            match part.get("exclude").filter(|_| part.get("method").is_none()) {
                Some(_) if excluded.is_some() => return Err(wrong(format!("'{key}' has more than one 'exclude'"))),
                Some(given) => excluded = self.excluded(given, depth)?,
                None => included.push(self.definition(part, depth + 1)?),
            }
        }
        Ok((included, excluded))
    }

    fn excluded(&self, given: &Value, depth: usize) -> Result<Option<Spec>> {
        let given = given.as_array().ok_or_else(|| wrong("'exclude' must be a list".to_owned()))?;
        let mut all = given.iter().map(|one| self.definition(one, depth + 1)).collect::<Result<Vec<_>>>()?;
        Ok(if all.len() > 1 { Some(Spec::Union(all, self.indirect)) } else { all.pop() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(definition: Value) -> Result<Spec> {
        let selector = |name: &str, definition| Selector {
            name: name.to_owned(),
            is_default: false,
            description: String::new(),
            definition,
        };
        let all = named(&[selector("first", json!("tag:a")), selector("x", definition)], Indirect::Eager)?;
        Ok(all["x"].clone())
    }

    fn one(text: &str) -> Spec {
        Spec::One(Criterion::of_text(text, Indirect::Eager).expect("a good part"))
    }

    #[test]
    fn words_are_united_and_commas_intersect() {
        let words = ["a b".to_owned(), "c,d".to_owned()];
        let spec = Spec::of_words(&words, Indirect::Eager).expect("a good selection");
        let both = Spec::Intersection(vec![one("c"), one("d")], Indirect::Eager);
        assert_eq!(spec, Spec::Union(vec![one("a"), one("b"), both], Indirect::Eager));
    }

    #[test]
    fn definitions_name_others_and_take_away() {
        assert_eq!(read(json!({"method": "selector", "value": "first"})).expect("it is above"), one("tag:a"));
        let spec = read(json!({"union": ["tag:b", {"exclude": ["c"]}]})).expect("a good definition");
        let Spec::Difference(all, without, _) = spec else { panic!("{spec:?}") };
        assert_eq!((*all, *without), (Spec::Union(vec![one("tag:b")], Indirect::Eager), one("c")));
    }

    #[test]
    fn wrong_definitions_are_named() {
        for (definition, what) in [
            (json!({"method": "selector", "value": "later"}), "no selector 'later'"),
            (json!({"union": ["a"], "intersection": ["b"]}), "nothing else can stand"),
            (json!({"union": "a"}), "'union' must be a list"),
            (json!(["a"]), "neither a text nor a map"),
            (json!({"method": "tag", "where": "x"}), "'method' and 'value'"),
        ] {
            let error = read(definition).expect_err("dbt refuses it").to_string();
            assert!(error.contains(what) && error.contains("selectors.yml: x"), "{error}");
        }
    }
}
