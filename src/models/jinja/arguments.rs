//! The arguments of a call in Jinja, by place or by name as in Python.

use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Value},
};
use std::borrow::Cow;

/// What a call was given.
pub(in crate::models) struct Arguments {
    what: Cow<'static, str>,
    positional: Vec<Value>,
    named: Vec<(String, Value)>,
}

impl Arguments {
    /// Takes the arguments apart; `what` names the function in errors.
    pub(in crate::models) fn of(what: impl Into<Cow<'static, str>>, values: &[Value]) -> Self {
        let mut positional = values.to_vec();
        let mut named = Vec::new();
        if positional.last().is_some_and(Value::is_kwargs)
            && let Some(Ok(kwargs)) = positional.pop().map(Kwargs::try_from)
        {
            for key in kwargs.args() {
                if let Ok(value) = kwargs.peek::<Value>(key) {
                    named.push((key.to_owned(), value));
                }
            }
        }
        Self { what: what.into(), positional, named }
    }

    /// The argument at a place or with a name.
    pub(in crate::models) fn get(&self, place: usize, name: &str) -> Option<&Value> {
        self.positional.get(place).or_else(|| self.named.iter().find(|(n, _)| n == name).map(|(_, v)| v))
    }

    /// The argument, which must be there.
    pub(in crate::models) fn require(&self, place: usize, name: &str) -> Result<&Value, Error> {
        self.get(place, name).filter(|v| !v.is_undefined()).ok_or_else(|| {
            Error::new(ErrorKind::MissingArgument, format!("{}() needs the argument '{name}'", self.what))
        })
    }

    /// The argument as text, which it must be.
    pub(in crate::models) fn text(&self, place: usize, name: &str) -> Result<String, Error> {
        let value = self.require(place, name)?;
        value.as_str().map(str::to_owned).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidOperation,
                format!("{}(): '{name}' must be a text, not a {}", self.what, value.kind()),
            )
        })
    }

    /// All arguments without a name.
    pub(in crate::models) fn positional(&self) -> &[Value] {
        &self.positional
    }

    /// All arguments with a name.
    pub(in crate::models) fn named(&self) -> &[(String, Value)] {
        &self.named
    }
}
