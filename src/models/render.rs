//! Jinja: the project's templates, rendered, and errors that show the place.
//!
//! Every model and macro file is one template, named by its path; a syntax error is found when the
//! project is read, not when the model is built.

use super::{
    effort,
    macros::{self, Macros},
    methods,
    scope::Scope,
};
use crate::error::{Error, Kind, Result};
use minijinja::{Environment, value::Value};
use std::{fmt::Write, sync::Arc};

/// Lines shown before and after the one that is wrong.
const EXCERPT_LINES: usize = 2;

const BUILTIN: &[(&str, &str)] = &[("dbt/names.sql", include_str!("builtin/names.sql"))];

/// The templates of a project.
#[derive(Debug)]
pub(super) struct Templates {
    env: Environment<'static>,
}

impl Templates {
    /// Makes the environment with what is built in, and tells the macros of it.
    pub(super) fn new(macros: &mut Macros) -> Result<Self> {
        let mut env = Environment::new();
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_unknown_method_callback(methods::call);
        env.set_fuel(Some(effort::STEPS_MAX));
        for name in ["as_text", "as_native", "as_bool", "as_number"] {
            env.add_filter(name, |value: Value| value);
        }
        let mut templates = Self { env };
        for (name, source) in BUILTIN {
            templates.add(name, source)?;
            macros.add(name, source, false);
        }
        Ok(templates)
    }

    /// Adds a file.
    pub(super) fn add(&mut self, name: &str, source: &str) -> Result<()> {
        self.env
            .add_template_owned(name.to_owned(), source.to_owned())
            .map_err(|error| explain(&error, |_| Some(source.to_owned())))
    }

    /// Renders a file.
    pub(super) fn render(&self, name: &str, scope: &Arc<Scope>) -> Result<String> {
        let context = Value::from_dyn_object(scope.clone());
        self.env
            .get_template(name)
            .and_then(|template| template.render(context))
            .map_err(|error| self.explained(&error, name, None))
    }

    /// Renders a text that stands in a file of another kind; `shown` names the place.
    pub(super) fn render_text(&self, text: &str, shown: &str, scope: &Arc<Scope>) -> Result<String> {
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(text.to_owned());
        }
        self.env
            .render_named_str(shown, text, Value::from_dyn_object(scope.clone()))
            .map_err(|error| self.explained(&error, shown, Some(text)))
    }

    /// Evaluates an expression that stands in a file of another kind.
    pub(super) fn evaluate(&self, expression: &str, shown: &str, scope: &Arc<Scope>) -> Result<Value> {
        // `{{ ref('x') }}` and `ref('x')` are both written.
        let inner = expression.trim();
        let inner = inner.strip_prefix("{{").and_then(|e| e.strip_suffix("}}")).unwrap_or(inner);
        self.env
            .compile_expression(inner)
            .and_then(|compiled| compiled.eval(Value::from_dyn_object(scope.clone())))
            .map_err(|error| {
                Error::new(Kind::ModelRender, format!("{shown}: {}: in '{}'", message(&error), inner.trim()))
            })
    }

    /// Calls a macro.
    pub(super) fn call(&self, scope: &Arc<Scope>, name: &str, values: &[Value], shown: &str) -> Result<Value> {
        macros::call(&self.env, scope, name, values).map_err(|error| self.explained(&error, shown, None))
    }

    fn explained(&self, error: &minijinja::Error, fallback: &str, text: Option<&str>) -> Error {
        let found = explain(error, |name| {
            let known = self.env.get_template(name).ok().map(|t| t.source().to_owned());
            known.or_else(|| text.map(str::to_owned))
        });
        match error.name() {
            None => found.during(fallback),
            Some(name) if name != fallback => found.during(fallback),
            Some(_) => found,
        }
    }
}

/// What went wrong, where, and the lines around it. Templates hold no data, so their text may be shown.
fn explain(error: &minijinja::Error, source: impl Fn(&str) -> Option<String>) -> Error {
    let mut text = match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("{name}:{line}: {}", message(error)),
        (Some(name), None) => format!("{name}: {}", message(error)),
        (None, _) => message(error),
    };
    if let (Some(name), Some(line)) = (error.name(), error.line())
        && let Some(source) = source(name)
    {
        text.push_str(&excerpt(&source, line));
    }
    Error::new(Kind::ModelRender, text)
}

/// The engine's words, with those that a function of ours gave preferred.
fn message(error: &minijinja::Error) -> String {
    let own = error.kind() == minijinja::ErrorKind::InvalidOperation;
    match error.detail() {
        _ if error.kind() == minijinja::ErrorKind::OutOfFuel => effort::too_much(),
        Some(detail) if own => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// The lines around one, the one marked; on lines of their own.
pub(super) fn excerpt(source: &str, line: usize) -> String {
    let mut text = String::new();
    let first = line.saturating_sub(EXCERPT_LINES).max(1);
    for (number, content) in (1..).zip(source.lines()).skip(first - 1).take(line + EXCERPT_LINES + 1 - first) {
        let mark = if number == line { '>' } else { ' ' };
        write!(text, "\n{mark}{number:>5} | {content}").expect("writing to a String can't fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_marks_the_line() {
        assert_eq!(excerpt("a\nb\nc\nd\ne", 3), "\n     1 | a\n     2 | b\n>    3 | c\n     4 | d\n     5 | e");
        assert_eq!(excerpt("a", 1), "\n>    1 | a");
    }

    #[test]
    fn a_syntax_error_shows_file_line_and_excerpt() {
        let mut templates = Templates::new(&mut Macros::default()).expect("what is built in is right");
        let error = templates.add("models/a.sql", "select 1\n{% if %}\n").expect_err("no condition");
        assert_eq!(error.kind, Kind::ModelRender);
        assert!(error.context.starts_with("models/a.sql:2: syntax error"), "{error}");
        assert!(error.context.contains(">    2 | {% if %}"), "{error}");
    }
}
