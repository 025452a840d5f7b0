//! Filters that compare: `sort`, `min`, `max`, `unique`, `groupby`, `dictsort`.

use super::{
    super::{list, tuple, values::pairs_of},
    Arguments, add, attribute, flag, items, subject, wrong,
};
use minijinja::{
    Environment, Error, State,
    value::{Object, ObjectRepr, Value, ValueKind},
};
use std::{cmp::Ordering, collections::HashSet, sync::Arc};

/// Adds the filters.
pub(super) fn add_to(env: &mut Environment<'static>) {
    add(env, "sort", |_, given| sort(given));
    add(env, "min", |_, given| extreme(given, Ordering::Less));
    add(env, "max", |_, given| extreme(given, Ordering::Greater));
    add(env, "unique", |_, given| unique(given));
    add(env, "groupby", |_, given| groupby(given));
    add(env, "dictsort", |_, given| dictsort(given));
}

/// Python's order; kinds that have none among each other are an error.
fn compared(a: &Value, b: &Value) -> Result<Ordering, Error> {
    let is_number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    match (a.kind(), b.kind()) {
        (ValueKind::Bool, _) | (_, ValueKind::Bool) if is_number(a) && is_number(b) => {
            let number = |value: &Value| match value.kind() {
                ValueKind::Bool => Value::from(i64::from(value.is_true())),
                _ => value.clone(),
            };
            Ok(number(a).cmp(&number(b)))
        }
        (ValueKind::Seq, ValueKind::Seq) => {
            let (a, b) = (items(a)?, items(b)?);
            for (a, b) in a.iter().zip(&b) {
                if a != b {
                    return compared(a, b);
                }
            }
            Ok(a.len().cmp(&b.len()))
        }
        (x, y) if x == y && !matches!(x, ValueKind::Map | ValueKind::None) => Ok(a.cmp(b)),
        (x, y) => Err(wrong(format!("a {x} and a {y} can't be put in order"))),
    }
}

/// Sorts by keys, keeping the order of equals; the first error ends it.
fn sorted(mut keyed: Vec<(Vec<Value>, Value)>, is_reverse: bool) -> Result<Vec<Value>, Error> {
    let mut failed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        let mut order = Ordering::Equal;
        for (a, b) in a.iter().zip(b) {
            order = compared(a, b).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                Ordering::Equal
            });
            if order.is_ne() {
                break;
            }
        }
        if is_reverse { order.reverse() } else { order }
    });
    failed.map_or_else(|| Ok(keyed.into_iter().map(|(_, item)| item).collect()), Err)
}

/// The key that an item is compared by: texts without regard to case, unless told otherwise.
fn folded(value: Value, is_case_sensitive: bool) -> Value {
    match value.as_str() {
        Some(text) if !is_case_sensitive => text.to_lowercase().into(),
        _ => value,
    }
}

fn sort(given: &Arguments) -> Result<Value, Error> {
    let (is_reverse, is_case) = (flag(given, 1, "reverse"), flag(given, 2, "case_sensitive"));
    let path = given.get(3, "attribute").filter(|path| !path.is_none()).map(ToString::to_string);
    let key = |item: &Value| match &path {
        None => vec![folded(item.clone(), is_case)],
        Some(path) => path
            .split(',')
            .map(|path| folded(attribute(item, Some(&Value::from(path.trim())), None), is_case))
            .collect(),
    };
    let keyed = items(&subject(given))?.into_iter().map(|item| (key(&item), item)).collect();
    sorted(keyed, is_reverse).map(list)
}

fn extreme(given: &Arguments, wanted: Ordering) -> Result<Value, Error> {
    let (is_case, path) = (flag(given, 1, "case_sensitive"), given.get(2, "attribute"));
    let mut best: Option<(Value, Value)> = None;
    for item in items(&subject(given))? {
        let key = folded(attribute(&item, path, None), is_case);
        let is_better = match &best {
            Some((known, _)) => compared(&key, known)? == wanted,
            None => true,
        };
        if is_better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

fn unique(given: &Arguments) -> Result<Value, Error> {
    let (is_case, path) = (flag(given, 1, "case_sensitive"), given.get(2, "attribute"));
    let mut seen = HashSet::new();
    let mut found = items(&subject(given))?;
    found.retain(|item| seen.insert(folded(attribute(item, path, None), is_case)));
    Ok(list(found))
}

fn groupby(given: &Arguments) -> Result<Value, Error> {
    let path = given.require(1, "attribute")?;
    let (default, is_case) = (given.get(2, "default"), flag(given, 3, "case_sensitive"));
    let mut keyed = Vec::new();
    for item in items(&subject(given))? {
        let key = attribute(&item, Some(path), default);
        if key.is_undefined() {
            return Err(wrong(format!("groupby: an item has no '{path}'")));
        }
        keyed.push((vec![folded(key, is_case)], item));
    }
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for item in sorted(keyed, false)? {
        let key = attribute(&item, Some(path), default);
        let by = folded(key.clone(), is_case);
        match groups.last_mut().filter(|(known, ..)| *known == by) {
            Some((_, _, group)) => group.push(item),
            None => groups.push((by, key, vec![item])),
        }
    }
    Ok(list(groups.into_iter().map(|(_, key, group)| Value::from_object(Group(key, list(group)))).collect()))
}

/// One group: a pair whose parts have names too.
#[derive(Debug)]
pub(in super::super) struct Group(Value, Value);

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str(), key.as_i64()) {
            (Some("grouper"), _) | (_, Some(0)) => Some(self.0.clone()),
            (Some("list"), _) | (_, Some(1)) => Some(self.1.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(2)
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, _: &str, _: &[Value]) -> Result<Value, Error> {
        Err(minijinja::ErrorKind::UnknownMethod.into())
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&super::super::repr(&tuple(vec![self.0.clone(), self.1.clone()])))
    }
}

fn dictsort(given: &Arguments) -> Result<Value, Error> {
    let is_case = flag(given, 1, "case_sensitive");
    let by_value = given.get(2, "by").and_then(Value::as_str) == Some("value");
    let keyed = pairs_of(&subject(given))?.into_iter().map(|(key, value)| {
        let by = folded(if by_value { value.clone() } else { key.clone() }, is_case);
        (vec![by], tuple(vec![key, value]))
    });
    sorted(keyed.collect(), flag(given, 3, "reverse")).map(list)
}
