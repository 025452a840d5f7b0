//! The functions that dbt gives to every template, by name.

use super::super::jinja::{self, Arguments};
use super::{adapter, exceptions, plain, references, relation::RelationValue, results, scope::Scope, settings};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::sync::Arc;

macro_rules! functions {
    ($($variant:ident = $word:literal),+ $(,)?) => {
        /// Which function it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::models) enum Function { $(#[doc = $word] $variant),+ }

        impl Function {
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
    Metric = "metric",
    Config = "config",
    Var = "var",
    EnvVar = "env_var",
    Log = "log",
    Print = "print",
    Debug = "debug",
    ToJson = "tojson",
    FromJson = "fromjson",
    ToYaml = "toyaml",
    FromYaml = "fromyaml",
    Zip = "zip",
    ZipStrict = "zip_strict",
    Set = "set",
    SetStrict = "set_strict",
    LocalMd5 = "local_md5",
    DiffOfTwoDicts = "diff_of_two_dicts",
    StoreResult = "store_result",
    StoreRawResult = "store_raw_result",
    LoadResult = "load_result",
    LoadAgateTable = "load_agate_table",
    Render = "render",
    Write = "write",
    TryOrCompilerError = "try_or_compiler_error",
    Validation = "validation",
    Exceptions = "exceptions",
    Adapter = "adapter",
    AdapterMacro = "adapter_macro",
    Api = "api",
    Relation = "Relation",
    Column = "column",
    Builtins = "builtins",
}

impl Function {
    /// As a value of Jinja.
    pub(super) fn value(self, scope: Arc<Scope>) -> Value {
        match self {
            Self::Column => Value::from_object(super::column::ColumnClass),
            _ => Value::from_object(Callable { scope, function: self }),
        }
    }
}

/// A relation as the rendering's readers see it: the version that is tested stands for the published one.
pub(super) fn stand_in(scope: &Scope, relation: RelationValue) -> RelationValue {
    let Some(run) = scope.run() else { return relation };
    let Some(place) = relation.place() else { return relation };
    match run.stands_for.iter().find(|(published, _)| *published == place) {
        Some((_, version)) => {
            RelationValue { schema: Some(version.schema.clone()), identifier: Some(version.name.clone()), ..relation }
        }
        None => relation,
    }
}

/// One function, with the rendering it belongs to.
#[derive(Debug)]
struct Callable {
    scope: Arc<Scope>,
    function: Function,
}

impl Object for Callable {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let of = |function: Function| function.value(self.scope.clone());
        match (self.function, name) {
            (Function::Builtins, "ref" | "source" | "config" | "var") => Function::of(name).map(of),
            (Function::Api, "Relation") => Some(of(Function::Relation)),
            (Function::Adapter, "Relation") => Some(of(Function::Relation)),
            (Function::Api | Function::Adapter, "Column") => Some(of(Function::Column)),
            // Kinds, as `api.Relation.Table`.
            (Function::Relation, "Table") => Some("table".into()),
            (Function::Relation, "View") => Some("view".into()),
            (Function::Relation, "CTE") => Some("cte".into()),
            (Function::Relation, "MaterializedView") => Some("materialized_view".into()),
            (Function::Relation, "External") => Some("external".into()),
            (Function::Config, "model") => Some(jinja::from_json(&self.scope.subject.settings.json())),
            _ => None,
        }
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of(self.function.name(), values);
        let scope = &self.scope;
        match self.function {
            Function::Ref => references::reference(scope, &arguments),
            Function::Source => references::source(scope, &arguments),
            Function::Metric => Ok("".into()),
            Function::Config => settings::configure(scope, &arguments),
            Function::Var => settings::var(scope, &arguments),
            Function::EnvVar => settings::environment(scope, &arguments),
            Function::Log | Function::Print => plain::log(scope, &arguments, self.function == Function::Print),
            Function::Debug => Ok("".into()),
            Function::ToJson => plain::to_json(&arguments),
            Function::FromJson => plain::from_json(&arguments),
            Function::ToYaml => plain::to_yaml(&arguments),
            Function::FromYaml => plain::from_yaml(&arguments),
            Function::Zip => plain::zip(&arguments, false),
            Function::ZipStrict => plain::zip(&arguments, true),
            Function::Set => plain::set(&arguments, false),
            Function::SetStrict => plain::set(&arguments, true),
            Function::LocalMd5 => plain::local_md5(&arguments),
            Function::DiffOfTwoDicts => plain::diff_of_two_dicts(&arguments),
            Function::StoreResult => results::store(scope, &arguments),
            Function::StoreRawResult => results::store_raw(scope, &arguments),
            Function::LoadResult => results::load(scope, &arguments),
            Function::LoadAgateTable => results::seed(scope),
            Function::Render => {
                let text = arguments.text(0, "string")?;
                let rendered = scope.setting.engine.render(&scope.subject.name, &text, scope.globals());
                rendered.map(Value::from).map_err(jinja::JinjaError::into_error)
            }
            Function::Write => Ok("".into()),
            Function::TryOrCompilerError => {
                // Jinja can't catch: what the function fails with is told as it is.
                let (function, given) =
                    arguments.positional().get(1..).and_then(<[Value]>::split_first).ok_or_else(|| {
                        invalid("try_or_compiler_error() takes a message, a function and its arguments")
                    })?;
                function.call(state, given)
            }
            Function::AdapterMacro => adapter::old_dispatch(scope, state, &arguments),
            Function::Relation => Ok(RelationValue::create(&arguments)?.value()),
            Function::Column
            | Function::Validation
            | Function::Exceptions
            | Function::Adapter
            | Function::Api
            | Function::Builtins => Err(invalid(format!("'{}' is not a function", self.function.name()))),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::of(format!("{}.{method}", self.function.name()), values);
        let scope = &self.scope;
        match self.function {
            Function::Config => settings::config_method(scope, method, &arguments),
            Function::Var if method == "has_var" => {
                let name = arguments.text(0, "var_name")?;
                Ok(scope.vars().is_some_and(|vars| vars.contains_key(&name)).into())
            }
            Function::Exceptions => exceptions::call(scope, method, &arguments),
            Function::Adapter => adapter::call(scope, state, method, &arguments, values),
            Function::Relation => match method {
                "create" => Ok(RelationValue::create(&arguments)?.value()),
                "create_from" => references::relation_of(scope, &arguments),
                "get_default_quote_policy" | "get_default_include_policy" => Ok(super::relation::Policy::ALL.value()),
                "add_ephemeral_prefix" => {
                    Ok(format!("{}{}", super::relation::PART_PREFIX, arguments.text(0, "name")?).into())
                }
                "scd_args" => {
                    let key = arguments.require(0, "primary_key")?;
                    let keys = match key.as_str() {
                        Some(_) => vec![key.clone()],
                        None => key.try_iter()?.collect(),
                    };
                    Ok(jinja::list(keys.into_iter().chain([arguments.require(1, "updated_at")?.clone()]).collect()))
                }
                _ => Err(Error::from(ErrorKind::UnknownMethod)),
            },
            Function::Validation => Ok(Value::from(())),
            _ => match self.get_value(&Value::from(method)) {
                Some(function) => function.call(state, values),
                None => Err(Error::from(ErrorKind::UnknownMethod)),
            },
        }
    }
}

/// What a template did wrong.
pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
