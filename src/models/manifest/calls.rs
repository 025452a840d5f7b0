//! Which macros a node calls, and these in turn.

use super::{super::context::scope::DBT, Manifest, Node, generic::macro_name};
use crate::models::jinja::{Definition, called_names};
use std::collections::{BTreeMap, BTreeSet};

/// A macro's unique id.
pub(in crate::models) fn macro_id(definition: &Definition) -> String {
    format!("macro.{}.{}", definition.package, definition.name)
}

/// The variables of the environment that a text names in so many letters, as they are now.
pub(in crate::models) fn environment_in(text: &str) -> Vec<(&str, Option<String>)> {
    let named = text.split("env_var(").skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (name, _) = rest[1..].split_once(quote)?;
        Some((name, std::env::var(name).ok()))
    });
    named.collect()
}

impl Manifest {
    /// The macros that a text of a package calls by name, by unique id.
    pub(in crate::models) fn called_in(&self, package: &str, file: &str, text: &str) -> BTreeSet<String> {
        let engine = &self.setting.engine;
        // What can't be taken apart is told when it is rendered.
        let called = called_names(file, text).unwrap_or_default();
        let found = called.into_iter().filter_map(|(of, name)| {
            let packages = match &of {
                Some(of) => vec![of.as_str()],
                None => vec![package, self.setting.project.as_str(), DBT],
            };
            packages.into_iter().find_map(|of| engine.definition(of, &name))
        });
        found.map(|definition| macro_id(definition)).collect()
    }

    /// The macros that a node calls, and all that these call, by unique id.
    pub(in crate::models) fn calls(&self, node: &Node) -> BTreeSet<String> {
        let mut found = self.calls_directly(node);
        let mut open: Vec<String> = found.iter().cloned().collect();
        while let Some(id) = open.pop() {
            let mut parts = id.splitn(3, '.').skip(1);
            let (Some(package), Some(name)) = (parts.next(), parts.next()) else { continue };
            let Some(definition) = self.setting.engine.definition(package, name) else { continue };
            for called in self.called_in(package, &definition.file, &definition.body) {
                if found.insert(called.clone()) {
                    open.push(called);
                }
            }
        }
        found
    }

    /// The macros that a node's own text calls, by unique id.
    pub(in crate::models) fn calls_directly(&self, node: &Node) -> BTreeSet<String> {
        let mut found = self.called_in(&node.package, &node.file, &node.source);
        found.extend(node.macros.iter().cloned());
        if let Some(generic) = &node.generic {
            let call = format!("{{{{ {}() }}}}", macro_name(generic.namespace.as_deref(), &generic.word));
            found.extend(self.called_in(&node.package, &node.file, &call));
        }
        found
    }

    /// The texts of all macros that the project and its packages have, by unique id.
    pub(in crate::models) fn macro_texts(&self) -> BTreeMap<String, String> {
        let own = self.setting.engine.definitions().filter(|d| d.package != DBT);
        own.map(|d| (macro_id(d), d.body.clone())).collect()
    }
}
