//! Jinja2's tests where the engine has none or means something else by them.

use minijinja::{
    Environment,
    value::{Value, ValueKind},
};

/// Adds the tests.
pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_test("list", |value: Value| matches!(value.kind(), ValueKind::Seq) && !value.is_tuple());
    env.add_test("tuple", |value: Value| value.is_tuple());
    env.add_test("callable", is_callable);
    env.add_test("iterable", |value: Value| !value.is_none() && (value.is_undefined() || value.try_iter().is_ok()));
    env.add_test("sequence", |value: Value| {
        let has_length = value.len().is_some();
        has_length && matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Iterable)
    });
}

/// Whether a value may be called: the engine does not tell of an object, but what holds no items is one that does.
fn is_callable(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined => true,
        ValueKind::Plain => value.as_object().is_some_and(|object| !super::super::python::is_moment(object)),
        _ => value.as_object().is_some() && value.try_iter().is_err(),
    }
}
