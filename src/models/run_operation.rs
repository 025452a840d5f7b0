//! `run-operation`: one macro, called by its name.

use super::{
    Models, NodeResult, NodeStatus, compile,
    context::{
        connection::{On, with_connection},
        scope::{DBT, Run, Scope, Subject, Task},
        voice::Voice,
    },
    jinja,
    manifest::hint,
};
use crate::{
    error::{Error, Kind, Result},
    telemetry::rounded_seconds,
};
use minijinja::value::{Kwargs, Value};
use serde_json::{Value as Json, json};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

impl Models {
    /// Calls a macro of the project (`name`) or of a package (`package.name`) with arguments by their names. Each of
    /// its statements commits, where it begins no transaction. How it ended stands in `run_results.json`.
    ///
    /// # Errors
    /// There is no such macro, or it fails.
    pub async fn run_operation(&self, name: &str, arguments: &BTreeMap<String, Json>) -> Result<()> {
        let manifest = self.manifest.clone();
        let (package, word) = name.split_once('.').map_or((None, name), |(package, word)| (Some(package), word));
        let subject = Subject::of_package(package.unwrap_or(&manifest.setting.project));
        let own = subject.package.clone();
        let voice = Voice::aloud(manifest.setting.says);
        let dry = Run { as_new: false, voice, ..Run::dry(manifest.clone(), self.clock.now()) };
        // Named before anybody is asked for a connection.
        let holder = holder(&manifest.setting, &own, package.is_some(), word)
            .ok_or_else(|| unknown(&manifest.setting, package, word))?;
        let arguments_given = json!(arguments);
        let arguments: Vec<(String, Value)> =
            arguments.iter().map(|(key, value)| (key.clone(), jinja::from_json(value))).collect();
        let (id, since) = (format!("macro.{holder}.{word}"), Instant::now());
        let described = json!({"which": "run-operation", "macro": name, "args": arguments_given});
        let (word, shown) = (word.to_owned(), format!("run-operation {name}"));
        let session = self.warehouse.session().await?;
        let done = with_connection(On::Session(&session), move |connection| {
            let run = Run { connection: Some(connection), ..dry };
            let scope = Scope::new(manifest.setting.clone(), subject, Task::Run(run));
            let callable = scope
                .macro_of(&holder, &word)
                .ok_or_else(|| Error::new(Kind::Internal, format!("the macro {word} is gone")))?;
            let called = manifest.setting.engine.call(&callable, &[Value::from(Kwargs::from_iter(arguments))], &shown);
            called.map(drop).map_err(|error| compile::failed(&scope, &error))
        })
        .await?;
        let seconds = rounded_seconds(since.elapsed());
        let (status, failures) = match &done {
            Ok(()) => (NodeStatus::Success, Some(0)),
            Err(_) => (NodeStatus::Error, None),
        };
        let message = done.as_ref().err().map(ToString::to_string);
        let plain = NodeResult::plain(&id, status, message, self.clock.now());
        self.write_results(&[NodeResult { seconds, failures, ..plain }], seconds, &described)?;
        done
    }
}

type Setting = super::context::scope::Setting;

/// The package that a macro is taken from: the one that is named; else the project, any package, dbt itself.
fn holder(setting: &Arc<Setting>, own: &str, is_named: bool, word: &str) -> Option<String> {
    let has = |package: &&str| setting.engine.definition(package, word).is_some();
    let others = setting.packages.iter().map(String::as_str).chain([DBT]).filter(|_| !is_named);
    std::iter::once(own).chain(others).find(has).map(str::to_owned)
}

fn unknown(setting: &Setting, package: Option<&str>, word: &str) -> Error {
    let what = match package {
        Some(package) if package != DBT && !setting.packages.contains(package) => {
            format!("there is no package '{package}'{}", hint(package, &setting.packages))
        }
        _ => {
            let is_meant = |holder: &str| package.map_or(holder != DBT, |package| holder == package);
            let known = setting.engine.definitions().filter(|macro_| is_meant(&macro_.package));
            format!("there is no macro '{word}'{}", hint(word, known.map(|macro_| &macro_.name)))
        }
    };
    Error::new(Kind::UnknownMacro, what)
}
