//! The functions that dbt gives to every template.

use super::{
    arguments::Arguments,
    json,
    macros::MacroCall,
    names::Referred,
    relation::Relation,
    scope::{Compile, Scope, Task, lock},
};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::sync::Arc;

/// Prefix under which dbt lets secrets into its profiles, and nowhere else.
const SECRET_PREFIX: &str = "DBT_ENV_SECRET_";

macro_rules! functions {
    ($($variant:ident = $word:literal),+ $(,)?) => {
        /// Which function it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum What { $(#[doc = $word] $variant),+ }

        impl What {
            /// The function of that name.
            pub(super) fn of(name: &str) -> Option<Self> {
                match name { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// Its name.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

functions! {
    Ref = "ref",
    Source = "source",
    Config = "config",
    Var = "var",
    EnvVar = "env_var",
    IsIncremental = "is_incremental",
    ShouldFullRefresh = "should_full_refresh",
    Return = "return",
    Log = "log",
    Print = "print",
    Exceptions = "exceptions",
    Adapter = "adapter",
    Builtins = "builtins",
    ToJson = "tojson",
    FromJson = "fromjson",
    RunQuery = "run_query",
    Statement = "statement",
}

/// One function, with the rendering it belongs to.
#[derive(Debug)]
pub(super) struct Callable {
    scope: Arc<Scope>,
    what: What,
}

impl Callable {
    /// As a value of Jinja.
    pub(super) fn value(scope: Arc<Scope>, what: What) -> Value {
        Value::from_object(Self { scope, what })
    }

    fn reference(&self, arguments: &Arguments) -> Result<Value, Error> {
        if arguments.get(9, "version").or(arguments.get(9, "v")).is_some_and(|v| !v.is_none()) {
            return Err(invalid("ref(): versions of models are not supported"));
        }
        let (package, name) = match arguments.positional() {
            [_] => (None, arguments.text(0, "model_name")?),
            [_, _] => (Some(arguments.text(0, "package")?), arguments.text(1, "model_name")?),
            _ => return Err(invalid("ref() takes one or two names")),
        };
        match &self.scope.task {
            Task::Parse(collected) => {
                let placeholder = self.placeholder("", &name);
                lock(collected).refs.push((package, name));
                Ok(placeholder)
            }
            Task::Compile(compile) => resolve(compile, package.as_deref(), &name),
        }
    }

    fn source(&self, arguments: &Arguments) -> Result<Value, Error> {
        let (source, table) = (arguments.text(0, "source_name")?, arguments.text(1, "table_name")?);
        match &self.scope.task {
            Task::Parse(collected) => {
                let placeholder = self.placeholder(&source, &table);
                lock(collected).sources.push((source, table));
                Ok(placeholder)
            }
            Task::Compile(compile) => {
                Ok(Value::from_object(compile.names.source(&source, &table).map_err(invalid)?.clone()))
            }
        }
    }

    /// Stands for a relation while nothing is looked up.
    fn placeholder(&self, schema: &str, name: &str) -> Value {
        let database = self.scope.shared.database.clone();
        Value::from_object(Relation { database, schema: schema.to_owned(), name: name.to_owned() })
    }

    /// Takes configuration while parsing; says nothing.
    fn configure(&self, arguments: &Arguments) -> Result<Value, Error> {
        if let Task::Parse(collected) = &self.scope.task {
            let settings = &mut lock(collected).settings;
            for map in arguments.positional() {
                match json::from_jinja(map) {
                    serde_json::Value::Object(map) => settings.merge(&map),
                    _ => return Err(invalid("config() takes named arguments or one dictionary")),
                }
            }
            for (key, value) in arguments.named() {
                settings.set(key, json::from_jinja(value));
            }
        }
        Ok("".into())
    }

    fn var(&self, arguments: &Arguments) -> Result<Value, Error> {
        let name = arguments.text(0, "name")?;
        match (self.scope.shared.vars.get(&name), arguments.get(1, "default")) {
            (Some(value), _) => Ok(json::to_jinja(value)),
            (None, Some(default)) => Ok(default.clone()),
            (None, None) if !self.scope.executes() => Ok(Value::from(())),
            (None, None) => {
                let hint = super::names::hint(&name, self.scope.shared.vars.keys());
                Err(invalid(format!("var('{name}'): there is no such variable and no default{hint}")))
            }
        }
    }

    fn environment(arguments: &Arguments) -> Result<Value, Error> {
        let name = arguments.text(0, "var")?;
        if name.starts_with(SECRET_PREFIX) {
            return Err(invalid(format!("env_var('{name}'): secrets are for profiles, not for models")));
        }
        match (std::env::var(&name), arguments.get(1, "default")) {
            (Ok(value), _) => Ok(value.into()),
            (Err(_), Some(default)) => Ok(default.to_string().into()),
            (Err(_), None) => Err(invalid(format!("env_var('{name}'): it is not set and there is no default"))),
        }
    }

    fn log(&self, arguments: &Arguments) -> Result<Value, Error> {
        if self.scope.executes() {
            let message = arguments.require(0, "msg")?.to_string();
            let node = self.scope.node.name.as_str();
            if arguments.get(1, "info").is_some_and(Value::is_true) || self.what == What::Print {
                tracing::info!(node, "{message}");
            } else {
                tracing::debug!(node, "{message}");
            }
        }
        Ok("".into())
    }

    fn config_method(&self, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("config", values);
        match method {
            "get" | "require" => {
                let name = arguments.text(0, "name")?;
                match (self.scope.node.settings.get(&name), arguments.get(1, "default")) {
                    (Some(value), _) => Ok(json::to_jinja(value)),
                    (None, Some(default)) => Ok(default.clone()),
                    (None, None) if method == "require" && self.scope.executes() => {
                        Err(invalid(format!("config.require('{name}'): it is not configured")))
                    }
                    (None, None) => Ok(Value::from(())),
                }
            }
            "set" => Ok("".into()),
            "persist_relation_docs" | "persist_column_docs" => Ok(false.into()),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn exceptions_method(&self, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("exceptions", values);
        match method {
            "raise_compiler_error" | "raise_not_implemented" => Err(invalid(arguments.require(0, "msg")?.to_string())),
            "warn" => {
                if self.scope.executes() {
                    tracing::warn!(node = self.scope.node.name.as_str(), "{}", arguments.require(0, "msg")?);
                }
                Ok("".into())
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn adapter_method(&self, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("adapter", values);
        match method {
            "dispatch" => {
                let name = arguments.text(0, "macro_name")?;
                let found = [format!("postgres__{name}"), format!("default__{name}")]
                    .into_iter()
                    .find(|candidate| self.scope.shared.macros.knows(candidate));
                match found {
                    Some(found) => Ok(MacroCall::value(self.scope.clone(), &found)),
                    None => Err(invalid(format!(
                        "adapter.dispatch('{name}'): there is neither postgres__{name} nor default__{name}"
                    ))),
                }
            }
            "quote" => Ok(crate::warehouse::quote(&arguments.text(0, "identifier")?).into()),
            "type" => Ok("postgres".into()),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

impl Object for Callable {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (self.what, key.as_str()?) {
            (What::Builtins, name @ ("ref" | "source" | "config" | "var")) => {
                What::of(name).map(|what| Self::value(self.scope.clone(), what))
            }
            _ => None,
        }
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of(self.what.name(), values);
        match self.what {
            What::Ref => self.reference(&arguments),
            What::Source => self.source(&arguments),
            What::Config => self.configure(&arguments),
            What::Var => self.var(&arguments),
            What::EnvVar => Self::environment(&arguments),
            What::IsIncremental => Ok(matches!(&self.scope.task, Task::Compile(c) if c.incremental).into()),
            What::ShouldFullRefresh => Ok(matches!(&self.scope.task, Task::Compile(c) if c.full_refresh).into()),
            What::Return => {
                *lock(&self.scope.returned) = Some(arguments.positional().first().cloned().unwrap_or_default());
                // Unwinds to the macro's call, which takes the value.
                Err(invalid("return() outside of a macro"))
            }
            What::Log | What::Print => self.log(&arguments),
            What::ToJson => Ok(json::from_jinja(arguments.require(0, "value")?).to_string().into()),
            What::FromJson => match serde_json::from_str(&arguments.text(0, "string")?) {
                Ok(parsed) => Ok(json::to_jinja(&parsed)),
                Err(error) => Ok(arguments
                    .get(1, "default")
                    .cloned()
                    .ok_or_else(|| invalid(format!("fromjson(): line {}: not JSON", error.line())))?),
            },
            What::RunQuery | What::Statement => Err(invalid(format!(
                "{}() is not supported: a model can't ask the warehouse while it is compiled",
                self.what.name()
            ))),
            What::Exceptions | What::Adapter | What::Builtins => {
                Err(invalid(format!("'{}' is not a function", self.what.name())))
            }
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        match self.what {
            What::Config => self.config_method(method, values),
            What::Var if method == "has_var" => {
                let name = Arguments::of("has_var", values).text(0, "name")?;
                Ok(self.scope.shared.vars.contains_key(&name).into())
            }
            What::Exceptions => self.exceptions_method(method, values),
            What::Adapter => self.adapter_method(method, values),
            What::Builtins => match self.get_value(&Value::from(method)) {
                Some(function) => function.call(state, values),
                None => Err(Error::from(ErrorKind::UnknownMethod)),
            },
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn resolve(compile: &Compile, package: Option<&str>, name: &str) -> Result<Value, Error> {
    match compile.names.model(package, name).map_err(invalid)? {
        Referred::Faulty => Err(invalid(format!("ref('{name}'): that model's own file must be corrected first"))),
        Referred::Relation(relation) => Ok(Value::from_object(relation.clone())),
        Referred::Ephemeral | Referred::Disabled => {
            let mut ephemeral = lock(&compile.ephemeral);
            if !ephemeral.iter().any(|known| known == name) {
                ephemeral.push(name.to_owned());
            }
            Ok(super::compile::part_name(name).into())
        }
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
