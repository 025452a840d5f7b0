//! A dictionary that can be changed in place, its keys in the order in which they came.

use super::{super::Arguments, list, lock, repr, tuple};
use indexmap::IndexMap;
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Enumerator, Object, ObjectRepr, Value},
};
use std::{
    cmp::Ordering,
    fmt,
    sync::{Arc, Mutex},
};

/// Python's `dict`.
#[derive(Debug, Default)]
pub(in crate::models) struct Dict(Mutex<IndexMap<Value, Value>>);

/// A dictionary of pairs; a later one replaces an earlier one of the same key.
pub(in crate::models) fn dict(pairs: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::from_object(Dict(Mutex::new(pairs.into_iter().collect())))
}

impl Dict {
    fn pairs(&self) -> Vec<(Value, Value)> {
        lock(&self.0).iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// A copy.
    fn copied(&self) -> Value {
        dict(self.pairs())
    }
}

/// The pairs of a map, or of a sequence of pairs.
pub(in crate::models::jinja) fn pairs_of(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    if let Some(map) = value.downcast_object_ref::<Dict>() {
        return Ok(map.pairs());
    }
    let mut pairs = Vec::new();
    for item in value.try_iter()? {
        if value.kind() == minijinja::value::ValueKind::Map {
            let of_key = value.get_item(&item)?;
            pairs.push((item, of_key));
        } else {
            pairs.push((item.get_item_by_index(0)?, item.get_item_by_index(1)?));
        }
    }
    Ok(pairs)
}

/// `dict(…)`: a map or pairs, and named arguments.
pub(in crate::models) fn made(arguments: &Arguments) -> Result<Value, Error> {
    let given = arguments.positional().first().map(pairs_of).transpose()?.unwrap_or_default();
    let named = arguments.named().iter().map(|(name, value)| (Value::from(name.as_str()), value.clone()));
    Ok(dict(given.into_iter().chain(named)))
}

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lock(&self.0).get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !lock(&self.0).is_empty()
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::of("dict", values);
        let nothing = Value::from(());
        Ok(match method {
            "get" => {
                let found = lock(&self.0).get(arguments.require(0, "key")?).cloned();
                found.or_else(|| arguments.get(1, "default").cloned()).unwrap_or(nothing)
            }
            "keys" => list(lock(&self.0).keys().cloned().collect()),
            "values" => list(lock(&self.0).values().cloned().collect()),
            "items" => list(self.pairs().into_iter().map(|(key, value)| tuple(vec![key, value])).collect()),
            "update" => {
                let more = arguments.positional().first().map(pairs_of).transpose()?.unwrap_or_default();
                let named = arguments.named().iter().map(|(name, value)| (Value::from(name.as_str()), value.clone()));
                lock(&self.0).extend(more.into_iter().chain(named));
                nothing
            }
            "pop" => {
                let key = arguments.require(0, "key")?;
                let taken = lock(&self.0).shift_remove(key).or_else(|| arguments.get(1, "default").cloned());
                taken.ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, format!("pop(): the dictionary has no key {}", repr(key)))
                })?
            }
            "popitem" => {
                let taken = lock(&self.0).pop().map(|(key, value)| tuple(vec![key, value]));
                taken.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "popitem(): the dictionary is empty"))?
            }
            "setdefault" => {
                let key = arguments.require(0, "key")?.clone();
                let default = arguments.get(1, "default").cloned().unwrap_or(nothing);
                lock(&self.0).entry(key).or_insert(default).clone()
            }
            "copy" => self.copied(),
            "clear" => {
                lock(&self.0).clear();
                nothing
            }
            _ => {
                // A macro or another function that was put into it.
                let found = lock(&self.0).get(&Value::from(method)).cloned();
                return found.ok_or_else(|| Error::from(ErrorKind::UnknownMethod))?.call(state, values);
            }
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?.pairs();
        let (mut mine, mut theirs) = (self.pairs(), other);
        // Equal whatever the order.
        mine.sort();
        theirs.sort();
        Some(mine.cmp(&theirs))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> =
            self.pairs().iter().map(|(key, value)| format!("{}: {}", repr(key), repr(value))).collect();
        write!(f, "{{{}}}", pairs.join(", "))
    }
}
