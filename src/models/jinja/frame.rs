//! Macros: called with arguments as in Python, ended by `return` with any value.
//!
//! Each is a template of its own, compiled when it is called for the first time. It sees its arguments and the names
//! that its caller sees. `return` unwinds as an error that carries the value; nothing else can end a template early.

use super::{
    Arguments, Definition, JinjaError, Library, dict, effort, rewrite,
    template::{self, Written},
    tuple,
};
use minijinja::{
    Environment, Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::{collections::HashMap, fmt, sync::Arc};

/// What begins the key of a macro's template.
pub(super) const KEY_PREFIX: &str = "macro:";

/// Gives templates `return`.
pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_global("return", Value::from_object(Return));
}

/// Gives templates the bodies of their call blocks: each sees what its template sees where it stands.
pub(super) fn add_bodies_to(env: &mut Environment<'static>, library: Arc<Library>) {
    env.add_function("__caller", move |state: &State<'_, '_>, key: String| {
        let definition = library.body(&key);
        let definition =
            definition.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "a call block lost its body"))?;
        let names = state.known_variables();
        let locals = names.iter().filter_map(|name| Some((name.to_string(), state.lookup(name)?))).collect();
        let globals = state.lookup(GLOBALS).unwrap_or_default();
        let globals = Value::from_object(Frame { locals, globals });
        Ok(Value::from_object(MacroValue::new(definition, library.clone(), globals)))
    });
}

/// The name under which what a template is rendered with finds itself.
pub(in crate::models) const GLOBALS: &str = "__globals";

/// `return(value)`.
#[derive(Debug)]
struct Return;

impl Object for Return {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        let value = Arguments::of("return", values).get(0, "data").cloned().unwrap_or_else(|| Value::from(()));
        Err(Error::new(ErrorKind::InvalidOperation, "return() outside of a macro").with_source(Returned(value)))
    }
}

/// What unwinds to the macro's call.
#[derive(Debug)]
struct Returned(Value);

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("return")
    }
}

impl std::error::Error for Returned {}

/// The value that an error carries to the macro that ends.
fn returned(error: &Error) -> Option<Value> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(Returned(value)) = cause.downcast_ref::<Returned>() {
            return Some(value.clone());
        }
        source = cause.source();
    }
    None
}

/// A macro as a value.
pub(super) struct MacroValue {
    definition: Arc<Definition>,
    library: Arc<Library>,
    globals: Value,
}

impl fmt::Debug for MacroValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<macro {}.{}>", self.definition.package, self.definition.name)
    }
}

impl MacroValue {
    pub(super) fn new(definition: Arc<Definition>, library: Arc<Library>, globals: Value) -> Self {
        Self { definition, library, globals }
    }

    /// The key of its template, which is made at the first call.
    fn key(&self) -> Result<String, Error> {
        let Definition { package, name, .. } = self.definition.as_ref();
        let key = format!("{KEY_PREFIX}{package}:{name}");
        if !self.library.has(&key) {
            let written = written(&self.definition, &key).map_err(JinjaError::into_error)?;
            self.library.put(&key, written);
        }
        Ok(key)
    }

    /// Gives each parameter its argument.
    fn bind(&self, values: &[Value]) -> Result<HashMap<String, Value>, Error> {
        let definition = &self.definition;
        let arguments = Arguments::of("macro", values);
        let wrong =
            |what: String| Error::new(ErrorKind::InvalidOperation, format!("macro '{}' {what}", definition.name));
        let (mut locals, mut missing) = (HashMap::new(), Vec::new());
        let mut named: Vec<(String, Value)> = arguments.named().to_vec();
        for (at, (parameter, default)) in definition.parameters.iter().enumerate() {
            let by_name = named.iter().position(|(name, _)| name == parameter).map(|at| named.remove(at).1);
            match (arguments.positional().get(at), by_name) {
                (Some(_), Some(_)) => return Err(wrong(format!("got two values for argument '{parameter}'"))),
                (Some(value), None) => drop(locals.insert(parameter.clone(), value.clone())),
                (None, Some(value)) => drop(locals.insert(parameter.clone(), value)),
                (None, None) if default.is_some() => missing.push(Value::from(parameter.as_str())),
                (None, None) => drop(locals.insert(parameter.clone(), Value::UNDEFINED)),
            }
        }
        let caller = named.iter().position(|(name, _)| name == "caller").map(|at| named.remove(at).1);
        let more = arguments.positional().get(definition.parameters.len()..).unwrap_or_default();
        let many = definition.parameters.len();
        if !more.is_empty() && !definition.mentions("varargs") {
            return Err(wrong(format!("takes not more than {many} argument{}", if many == 1 { "" } else { "s" })));
        }
        if let Some((name, _)) = named.first().filter(|_| !definition.mentions("kwargs")) {
            return Err(wrong(format!("takes no keyword argument '{name}'")));
        }
        locals.insert("varargs".to_owned(), tuple(more.to_vec()));
        locals.insert("kwargs".to_owned(), dict(named.into_iter().map(|(name, value)| (Value::from(name), value))));
        locals.insert("caller".to_owned(), caller.unwrap_or(Value::UNDEFINED));
        locals.insert("__missing".to_owned(), Value::from(missing));
        Ok(locals)
    }
}

/// The template of a macro: defaults of arguments that are missing, then its body, on the same lines.
fn written(definition: &Definition, key: &str) -> Result<Written, JinjaError> {
    let mut text = String::new();
    for (parameter, default) in &definition.parameters {
        let Some(default) = default else { continue };
        let wrong = |what: String| JinjaError::syntax(&definition.file, definition.line, what);
        let default = rewrite::expression(default).map_err(wrong)?.replace('\n', " ");
        text.push_str(&format!(
            "{{% if '{parameter}' in __missing %}}{{% set {parameter} = {default} %}}{{% endif %}}"
        ));
    }
    let mut body = template::rewritten(&definition.file, key, &definition.body)
        .map_err(|error| error.shown_in(&definition.body, definition.line - 1))?;
    for inner in &mut body.bodies {
        inner.line += definition.line - 1;
    }
    Ok(Written { text: text + &body.text, bodies: body.bodies })
}

impl Object for MacroValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "name" | "__name__" => Some(self.definition.name.as_str().into()),
            _ => None,
        }
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        let locals = self.bind(values)?;
        let key = self.key()?;
        effort::within(&self.definition.name, || {
            let template = state.env().get_template(&key)?;
            let frame = Frame { locals, globals: self.globals.clone() };
            match template.render_captured(Value::from_object(frame)) {
                Ok(captured) => {
                    effort::add(captured.state());
                    Ok(captured.into_output().into())
                }
                // A call block's body has no package, and its `return` ends the macro that calls it.
                Err(error) if self.definition.package.is_empty() => Err(error),
                Err(error) => returned(&error).ok_or(error),
            }
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_ref())
    }
}

/// The names that a macro's body sees.
#[derive(Debug)]
struct Frame {
    locals: HashMap<String, Value>,
    globals: Value,
}

impl Object for Frame {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        if name == GLOBALS {
            return Some(Value::from_dyn_object(self.clone()));
        }
        match self.locals.get(name) {
            Some(found) => Some(found.clone()),
            None => self.globals.get_attr(name).ok().filter(|found| !found.is_undefined()),
        }
    }
}
