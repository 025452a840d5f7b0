//! Descriptions with the texts that they name: `doc()`.

use super::{
    super::context::scope::{Scope, Subject, Task},
    hint,
    load::Read,
    wrong,
};
use crate::error::Result;
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Texts of docs, by `doc()`.
#[derive(Debug)]
struct Doc {
    package: String,
    docs: BTreeMap<(String, String), String>,
}

impl Object for Doc {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> std::result::Result<Value, Error> {
        let given: Vec<String> = values.iter().map(ToString::to_string).collect();
        let (package, name) = match given.as_slice() {
            [name] => (None, name),
            [package, name] => (Some(package), name),
            _ => return Err(Error::new(ErrorKind::InvalidOperation, "doc() takes one or two names")),
        };
        let of = |package: &str| self.docs.get(&(package.to_owned(), name.clone()));
        let found = match package {
            Some(package) => of(package),
            None => of(&self.package).or_else(|| self.docs.iter().find(|((_, n), _)| n == name).map(|(_, text)| text)),
        };
        let hint = || hint(name, self.docs.keys().map(|(_, name)| name));
        let missing =
            || Error::new(ErrorKind::InvalidOperation, format!("doc('{name}'): there is no such text{}", hint()));
        found.map(|text| text.as_str().into()).ok_or_else(missing)
    }
}

/// A description with the texts that it names.
pub(super) fn with_docs(read: &Read, package: &str, text: &str, shown: &str) -> Result<String> {
    let doc = Value::from_object(Doc { package: package.to_owned(), docs: read.docs.clone() });
    let subject = Subject::of_package(package);
    let scope =
        Scope::with(read.setting.clone(), subject, Task::Parse(Mutex::default()), BTreeMap::from([("doc", doc)]));
    let rendered = read.setting.engine.render(shown, text, scope.globals());
    // The line is that of the text, and not of the file.
    rendered.map_err(|error| wrong(shown, format!("description: {}", error.message)))
}
