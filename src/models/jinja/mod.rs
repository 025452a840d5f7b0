//! Jinja as dbt has it, on the stock engine.
//!
//! Owns what the engine lacks: [`blocks`] finds what a file defines, [`template`] and [`rewrite`] write templates in
//! words that the engine knows, [`values`] can be changed in place, [`frame`] calls macros and ends them by `return`.
//! Knows nothing of projects: the names that a template sees are an object that whoever renders hands in.
//! Guarantee: a template takes a bounded number of steps, and an error names file and line as the person wrote them.

mod arguments;
mod blocks;
mod calls;
mod effort;
mod error;
mod filters;
mod frame;
mod methods;
mod operators;
mod percent;
mod python;
mod rewrite;
mod scan;
mod template;
mod texts;
mod tokens;
mod values;

pub(super) use arguments::Arguments;
pub(super) use blocks::{BlockKind, Definition, definitions};
pub(super) use calls::called_names;
pub(super) use error::{JinjaError, excerpt};
pub(super) use frame::GLOBALS;
pub(super) use python::{date, datetime, timestamp};
pub(super) use values::{dict, from_json, json_text, list, printed, quoted, set, to_json, tuple};

use chrono::{DateTime, Utc};
use frame::MacroValue;
use minijinja::{
    AutoEscape, Environment, ErrorKind, UndefinedBehavior,
    value::{Value, ValueKind},
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use template::Written;
use values::repr;

/// The engine with every macro of a project.
#[derive(Debug)]
pub(super) struct Engine {
    env: Environment<'static>,
    library: Arc<Library>,
    macros: HashMap<String, HashMap<String, Arc<Definition>>>,
    now: DateTime<Utc>,
}

/// The texts of templates, by key, as the engine reads them.
#[derive(Debug, Default)]
struct Library {
    texts: RwLock<HashMap<String, String>>,
    bodies: RwLock<HashMap<String, Arc<Definition>>>,
}

impl Library {
    fn has(&self, key: &str) -> bool {
        self.texts.read().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    fn put(&self, key: &str, written: Written) {
        let mut bodies = self.bodies.write().unwrap_or_else(PoisonError::into_inner);
        bodies.extend(written.bodies.into_iter().map(|body| (body.name.clone(), Arc::new(body))));
        self.texts.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), written.text);
    }

    /// The body of a call block.
    fn body(&self, key: &str) -> Option<Arc<Definition>> {
        self.bodies.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn get(&self, key: &str) -> Option<String> {
        self.texts.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

impl Engine {
    /// An engine without macros; `now` is what `datetime.now()` gives.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let library = Arc::<Library>::default();
        let mut env = Environment::new();
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.set_undefined_behavior(UndefinedBehavior::Chainable);
        env.set_unknown_method_callback(methods::call);
        env.set_fuel(Some(effort::STEPS_MAX));
        env.set_debug(false);
        env.set_formatter(|out, state, value| match value.kind() {
            ValueKind::Number => Ok(out.write_str(&printed(value))?),
            _ => minijinja::escape_formatter(out, state, value),
        });
        operators::add_to(&mut env);
        filters::add_to(&mut env);
        frame::add_to(&mut env);
        frame::add_bodies_to(&mut env, library.clone());
        let texts = library.clone();
        env.set_loader(move |key| Ok(texts.get(key)));
        Self { env, library, macros: HashMap::new(), now }
    }

    /// Takes in what a file of a package defines; a later definition replaces an earlier one of its name. Gives what
    /// was found, and the rest of the file.
    pub(super) fn add(
        &mut self,
        package: &str,
        file: &str,
        source: &str,
    ) -> Result<(Vec<Arc<Definition>>, String), JinjaError> {
        let (found, rest) = definitions(package, file, source)?;
        let found: Vec<Arc<Definition>> = found.into_iter().map(Arc::new).collect();
        for definition in found.iter().filter(|d| d.kind == BlockKind::Macro) {
            let of_package = self.macros.entry(package.to_owned()).or_default();
            of_package.insert(definition.name.clone(), definition.clone());
        }
        Ok((found, rest))
    }

    /// The macro of a package.
    pub(super) fn definition(&self, package: &str, name: &str) -> Option<&Arc<Definition>> {
        self.macros.get(package)?.get(name)
    }

    /// Every macro.
    pub(super) fn definitions(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.macros.values().flat_map(HashMap::values)
    }

    /// A macro as a value that can be called; it sees `globals`.
    pub(super) fn macro_value(&self, definition: &Arc<Definition>, globals: Value) -> Value {
        Value::from_object(MacroValue::new(definition.clone(), self.library.clone(), globals))
    }

    /// `modules`.
    pub(super) fn modules(&self) -> Value {
        python::modules(self.now)
    }

    /// Renders a file. What was rendered once under its name is not compiled again.
    pub(super) fn render(&self, file: &str, source: &str, globals: Value) -> Result<String, JinjaError> {
        let key = format!("file:{file}:{}", super::checksum::of([source]));
        if !self.library.has(&key) {
            let written = template::rewritten(file, &key, source).map_err(|error| error.shown_in(source, 0))?;
            self.library.put(&key, written);
        }
        let rendered = effort::within(file, || {
            let template = self.env.get_template(&key)?;
            let captured = template.render_captured(globals)?;
            effort::add(captured.state());
            Ok(captured.into_output())
        });
        rendered.map_err(|error| self.explained(&error, file, source))
    }

    /// Calls a macro.
    pub(super) fn call(&self, callable: &Value, values: &[Value], shown: &str) -> Result<Value, JinjaError> {
        let key = "call:";
        if !self.library.has(key) {
            self.library.put(key, Written::default());
        }
        let called = effort::within(shown, || {
            let template = self.env.get_template(key)?;
            callable.call(&mut template.new_state(), values)
        });
        called.map_err(|error| self.explained(&error, shown, ""))
    }

    /// The value of an expression, with or without `{{ }}` around it; of a text with more than that, the text.
    pub(super) fn evaluate(&self, shown: &str, text: &str, globals: Value) -> Result<Value, JinjaError> {
        let inner = text.trim();
        let single = inner.strip_prefix("{{").and_then(|e| e.strip_suffix("}}")).filter(|e| !e.contains("{{"));
        let Some(expression) = single else {
            return self.render(shown, text, globals).map(Value::from);
        };
        let wrong = |what: String| JinjaError::syntax(shown, 1, what).without_line();
        let expression = rewrite::expression(expression).map_err(wrong)?;
        let evaluated = effort::within(shown, || self.env.compile_expression(&expression)?.eval(globals));
        evaluated.map_err(|error| {
            let message = self.no_package(&error, text).unwrap_or_else(|| error::message(&error));
            JinjaError::new(shown, 1, message).without_line()
        })
    }

    /// Where a method was called on a name that stands for nothing, the package that is missing by all appearances.
    fn no_package(&self, error: &minijinja::Error, said: &str) -> Option<String> {
        let method = error.detail().filter(|_| error.kind() == ErrorKind::UndefinedError)?;
        let called = called_names("", said).ok()?;
        let (package, name) = called.iter().find_map(|(package, name)| {
            let package = package.as_ref()?;
            let is_it = methods::of_nothing(name) == method && !self.macros.contains_key(package);
            (is_it && !said.contains(&format!(".{package}.{name}"))).then_some((package, name))
        })?;
        Some(format!(
            "{package}.{name}(): '{package}' stands for nothing here; if it is a package, name it in packages.yml, and \
             `amalgam models deps` installs it"
        ))
    }

    /// What went wrong, in words of the file that a person wrote.
    fn explained(&self, error: &minijinja::Error, file: &str, source: &str) -> JinjaError {
        let line = error.line();
        let in_macro = error.name().and_then(|name| {
            let (package, macro_name) = name.strip_prefix(frame::KEY_PREFIX)?.split_once(':')?;
            self.definition(package, macro_name).cloned().or_else(|| self.library.body(macro_name))
        });
        let text = in_macro.as_ref().map_or(source, |definition| &definition.body);
        let said = line.and_then(|line| text.lines().nth(line.checked_sub(1)?)).unwrap_or(text);
        let missing = self.no_package(error, said).or_else(|| self.no_package(error, text));
        let message = missing.unwrap_or_else(|| error::message(error));
        match (in_macro.as_deref(), line) {
            (Some(definition), Some(line)) => {
                let at = definition.line + line - 1;
                let mut error = JinjaError::new(&definition.file, at, message);
                error.excerpt = excerpt(&definition.body, line, definition.line - 1);
                error.called_from = Some(file.to_owned());
                error
            }
            (None, Some(line)) if error.name().is_some_and(|name| name.starts_with("file:")) => {
                let mut error = JinjaError::new(file, line, message);
                error.excerpt = excerpt(source, line, 0);
                error
            }
            _ => JinjaError::new(file, 1, message).without_line(),
        }
    }
}

#[cfg(test)]
mod tests;
