//! A set that can be changed in place, in the order in which its items came.

use super::{super::Arguments, lock, repr};
use indexmap::IndexSet;
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Enumerator, Object, ObjectRepr, Value},
};
use std::{
    cmp::Ordering,
    fmt,
    sync::{Arc, Mutex},
};

/// Python's `set`.
#[derive(Debug, Default)]
pub(in crate::models) struct Set(Mutex<IndexSet<Value>>);

/// A set of values.
pub(in crate::models) fn set(items: Vec<Value>) -> Value {
    Value::from_object(Set(Mutex::new(items.into_iter().collect())))
}

impl Set {
    fn items(&self) -> IndexSet<Value> {
        lock(&self.0).clone()
    }
}

/// Items of `first` that are, or are not, among those of `second`.
pub(super) fn kept(first: IndexSet<Value>, second: &IndexSet<Value>, is_in: bool) -> Value {
    set(first.into_iter().filter(|item| second.contains(item) == is_in).collect())
}

/// What `-` gives for two sets; `None` for other values.
pub(in crate::models) fn difference(left: &Value, right: &Value) -> Option<Value> {
    let (left, right) = (left.downcast_object_ref::<Set>()?, right.downcast_object_ref::<Set>()?);
    Some(kept(left.items(), &right.items(), false))
}

impl Object for Set {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items().into_iter().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !lock(&self.0).is_empty()
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("set", values);
        let other = || -> Result<IndexSet<Value>, Error> {
            let mut all = IndexSet::new();
            for given in arguments.positional() {
                all.extend(given.try_iter()?);
            }
            Ok(all)
        };
        Ok(match method {
            "add" => {
                let item = arguments.require(0, "object")?.clone();
                lock(&self.0).insert(item);
                Value::from(())
            }
            "discard" | "remove" => {
                let item = arguments.require(0, "object")?;
                if !lock(&self.0).shift_remove(item) && method == "remove" {
                    let what = format!("remove(): the set has no {}", repr(item));
                    return Err(Error::new(ErrorKind::InvalidOperation, what));
                }
                Value::from(())
            }
            "update" => {
                let more = other()?;
                lock(&self.0).extend(more);
                Value::from(())
            }
            "union" => set(self.items().into_iter().chain(other()?).collect()),
            "intersection" => kept(self.items(), &other()?, true),
            "difference" => kept(self.items(), &other()?, false),
            "symmetric_difference" => {
                let (mine, theirs) = (self.items(), other()?);
                let both =
                    mine.iter().filter(|i| !theirs.contains(*i)).chain(theirs.iter().filter(|i| !mine.contains(*i)));
                set(both.cloned().collect())
            }
            "issubset" => self.items().is_subset(&other()?).into(),
            "issuperset" => self.items().is_superset(&other()?).into(),
            "isdisjoint" => self.items().is_disjoint(&other()?).into(),
            "copy" => set(self.items().into_iter().collect()),
            "pop" => {
                lock(&self.0).pop().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "pop(): the set is empty"))?
            }
            "clear" => {
                lock(&self.0).clear();
                Value::from(())
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?.items();
        let sorted = |items: IndexSet<Value>| {
            let mut items: Vec<Value> = items.into_iter().collect();
            items.sort();
            items
        };
        Some(sorted(self.items()).cmp(&sorted(other)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<String> = self.items().iter().map(repr).collect();
        if items.is_empty() { f.write_str("set()") } else { write!(f, "{{{}}}", items.join(", ")) }
    }
}
