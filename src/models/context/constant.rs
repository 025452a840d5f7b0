//! Macros that give one value, whatever they are given.

use minijinja::{
    Error, State,
    value::{Object, ObjectRepr, Value},
};
use std::sync::Arc;

/// A macro that always gives this.
pub(in crate::models) fn constant(value: Value) -> Value {
    Value::from_object(Constant(value))
}

#[derive(Debug)]
struct Constant(Value);

impl Object for Constant {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(self.0.clone())
    }
}
