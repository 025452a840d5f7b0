//! Macros: where they are found, and how one is called from anywhere.
//!
//! A macro sees the context of the model that calls it, and every other macro. `return(value)` ends
//! it and gives the value itself.

use super::scope::{Scope, lock};
use minijinja::{
    Environment, Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::{collections::BTreeMap, sync::Arc};

/// The file that holds each macro.
#[derive(Debug, Default)]
pub(super) struct Macros {
    files: BTreeMap<String, Home>,
}

#[derive(Debug)]
struct Home {
    template: String,
    in_project: bool,
}

impl Macros {
    /// Adds the macros of a file; later ones replace earlier ones of the same name.
    pub(super) fn add(&mut self, template: &str, source: &str, in_project: bool) {
        for name in names(source) {
            self.files.insert(name.to_owned(), Home { template: template.to_owned(), in_project });
        }
    }

    /// Whether there is such a macro.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Whether the project itself has such a macro.
    pub(super) fn in_project(&self, name: &str) -> bool {
        self.files.get(name).is_some_and(|home| home.in_project)
    }
}

/// The names that `{% macro … %}` defines in a file.
fn names(source: &str) -> impl Iterator<Item = &str> {
    source.split("{%").skip(1).filter_map(|tag| {
        let inside = tag.trim_start_matches(['-', '+']).trim_start().strip_prefix("macro")?;
        let name = inside.strip_prefix(char::is_whitespace)?.trim_start();
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        (end > 0).then(|| &name[..end])
    })
}

/// Calls a macro in the context of a rendering.
pub(super) fn call(env: &Environment<'_>, scope: &Arc<Scope>, name: &str, values: &[Value]) -> Result<Value, Error> {
    let Some(home) = scope.shared.macros.files.get(name) else {
        return Err(Error::new(ErrorKind::UnknownFunction, format!("macro {name} is not known")));
    };
    let _entered = scope.effort.enter(name)?;
    let template = env.get_template(&home.template)?;
    let mut module = template.render_captured(Value::from_dyn_object(scope.clone()))?;
    let called = module.with_state_mut(|state| {
        let called = match state.lookup(name) {
            Some(found) => found.call(state, values),
            None => {
                let what = format!("macro {name} is not defined at the top of its file");
                Err(Error::new(ErrorKind::UnknownFunction, what))
            }
        };
        scope.effort.add(state);
        called
    });
    match lock(&scope.returned).take() {
        Some(value) => Ok(value),
        None => called,
    }
}

/// A macro as a value that can be called.
#[derive(Debug)]
pub(super) struct MacroCall {
    scope: Arc<Scope>,
    name: String,
}

impl MacroCall {
    /// As a value of Jinja.
    pub(super) fn value(scope: Arc<Scope>, name: &str) -> Value {
        Value::from_object(Self { scope, name: name.to_owned() })
    }
}

impl Object for MacroCall {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        call(state.env(), &self.scope, &self.name, values)
    }
}

/// A package as a value: `my_project.my_macro()`.
#[derive(Debug)]
pub(super) struct Namespace {
    scope: Arc<Scope>,
}

impl Namespace {
    /// As a value of Jinja.
    pub(super) fn value(scope: Arc<Scope>) -> Value {
        Value::from_object(Self { scope })
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        self.scope.shared.macros.knows(name).then(|| MacroCall::value(self.scope.clone(), name))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        call(state.env(), &self.scope, method, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_found_by_their_tags() {
        let source = "{% macro one(a) %}x{% endmacro %}\n{%- macro two_2 (a, b=1) -%}{% endmacro %}{% set macro = 1 %}";
        assert_eq!(names(source).collect::<Vec<_>>(), ["one", "two_2"]);
    }
}
