//! A list that can be changed in place.

use super::{super::Arguments, lock, place, repr};
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Enumerator, Object, ObjectRepr, Value},
};
use std::{
    cmp::Ordering,
    fmt,
    sync::{Arc, Mutex},
};

/// Python's `list`.
#[derive(Debug, Default)]
pub(in crate::models) struct List(Mutex<Vec<Value>>);

/// A list of values.
pub(in crate::models) fn list(items: Vec<Value>) -> Value {
    Value::from_object(List(Mutex::new(items)))
}

impl List {
    fn items(&self) -> Vec<Value> {
        lock(&self.0).clone()
    }

    fn sort(&self, arguments: &Arguments) -> Result<(), Error> {
        let is_reverse = arguments.get(usize::MAX, "reverse").is_some_and(Value::is_true);
        let key = arguments.get(usize::MAX, "key");
        if key.is_some_and(|key| !key.is_none()) {
            return Err(Error::new(ErrorKind::InvalidOperation, "sort(): a key is a function, and Jinja has none"));
        }
        let mut items = lock(&self.0);
        items.sort();
        if is_reverse {
            items.reverse();
        }
        Ok(())
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let items = lock(&self.0);
        items.get(place(key.as_i64()?, items.len())?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !lock(&self.0).is_empty()
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("list", values);
        let nothing = Value::from(());
        let wrong = |what: String| Error::new(ErrorKind::InvalidOperation, what);
        match method {
            "append" => lock(&self.0).push(arguments.require(0, "object")?.clone()),
            "extend" => {
                let more: Vec<Value> = arguments.require(0, "iterable")?.try_iter()?.collect();
                lock(&self.0).extend(more);
            }
            "insert" => {
                let at = arguments.require(0, "index")?.as_i64().unwrap_or_default();
                let item = arguments.require(1, "object")?.clone();
                let mut items = lock(&self.0);
                let length = items.len();
                let at = place(at, length).unwrap_or(if at < 0 { 0 } else { length });
                items.insert(at, item);
            }
            "pop" => {
                let at = arguments.get(0, "index").and_then(Value::as_i64).unwrap_or(-1);
                let mut items = lock(&self.0);
                let at = place(at, items.len()).ok_or_else(|| wrong(format!("pop(): there is no item {at}")))?;
                return Ok(items.remove(at));
            }
            "remove" => {
                let item = arguments.require(0, "value")?;
                let mut items = lock(&self.0);
                let at = items.iter().position(|i| i == item);
                items.remove(at.ok_or_else(|| wrong("remove(): the list has no such item".to_owned()))?);
            }
            "index" => {
                let item = arguments.require(0, "value")?;
                let at = lock(&self.0).iter().position(|i| i == item);
                return at.map(Value::from).ok_or_else(|| wrong("index(): the list has no such item".to_owned()));
            }
            "count" => {
                let item = arguments.require(0, "value")?;
                return Ok(lock(&self.0).iter().filter(|i| *i == item).count().into());
            }
            "sort" => self.sort(&arguments)?,
            "reverse" => lock(&self.0).reverse(),
            "clear" => lock(&self.0).clear(),
            "copy" => return Ok(list(self.items())),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(nothing)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        // The same list compared with itself must not be locked twice.
        let other = other.downcast_ref::<Self>()?.items();
        Some(self.items().cmp(&other))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<String> = self.items().iter().map(repr).collect();
        write!(f, "[{}]", items.join(", "))
    }
}
