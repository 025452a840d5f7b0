//! What a generic test reads: by its arguments, and by its macro's own text.

use super::{
    super::{
        super::{
            context::scope::{Collected, DBT, Scope, Subject, Task},
            jinja::{self, Definition},
        },
        GenericTest, Node, RefCall, hint,
        load::{Read, explained},
        no_package,
    },
    Said,
};
use crate::error::Result;
use minijinja::value::Value;
use serde_json::Value as Json;
use std::{
    cell::OnceCell,
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// Finds the test's macro, and what its arguments and its own text refer to.
pub(super) fn parse(read: &Read, said: &Said<'_>, node: &mut Node) -> Result<()> {
    let Some(generic) = &node.generic else { return Ok(()) };
    let definition = definition(read, said, generic)?;
    let collected = collected(read, said, node, generic, definition)?;
    node.macros.insert(format!("macro.{}.{}", definition.package, definition.name));
    for (key, value) in collected.configs.iter().flatten() {
        if node.settings.get(key).is_none() {
            node.settings.set(key, value.clone());
        }
    }
    (node.refs, node.source_calls) = (collected.refs, collected.sources);
    Ok(())
}

/// The test's macro: of the package that it names, else of the one that says it, of the project, or of dbt's own.
fn definition<'a>(read: &'a Read, said: &Said<'_>, generic: &GenericTest) -> Result<&'a Arc<Definition>> {
    let engine = &read.setting.engine;
    let name = format!("test_{}", generic.word);
    let found = match &generic.namespace {
        Some(package) => engine.definition(package, &name),
        None => [said.target.package, read.own().name.as_str(), DBT].iter().find_map(|p| engine.definition(p, &name)),
    };
    found.ok_or_else(|| {
        let names: BTreeSet<&str> = engine.definitions().filter_map(|d| d.name.strip_prefix("test_")).collect();
        let missing = missing(read, generic, &hint(&generic.word, names));
        said.wrong(read, format!("there is no test '{}'{missing}", shown_word(generic)))
    })
}

/// What the test names.
fn collected(
    read: &Read,
    said: &Said<'_>,
    node: &Node,
    generic: &GenericTest,
    definition: &Arc<Definition>,
) -> Result<Collected> {
    let engine = &read.setting.engine;
    // Most tests are known without any rendering.
    let scope = OnceCell::new();
    let globals = || {
        let made = || {
            Scope::new(read.setting.clone(), Subject { this: None, ..Subject::of(node) }, Task::Parse(Mutex::default()))
        };
        scope.get_or_init(made).globals()
    };
    let mut collected = Collected::default();
    for text in generic.arguments.values().flat_map(texts_with_jinja) {
        match plain_call(text) {
            Some(Call::Ref(name)) => {
                collected.refs.push(RefCall { package: None, name: name.to_owned(), version: None });
            }
            Some(Call::Source(source, table)) => collected.sources.push((source.to_owned(), table.to_owned())),
            None => {
                let evaluated = engine.evaluate(&said.shown(read), text, globals());
                evaluated.map_err(|error| explained(&error))?;
            }
        }
    }
    // A test's own text names models rarely; then it is rendered to see which.
    if definition.package != DBT && names_more(read, definition) {
        let named = generic.arguments.iter().map(|(key, value)| match key.as_str() {
            "model" => (key.clone(), Value::from("__model__")),
            _ => (key.clone(), jinja::from_json(value)),
        });
        let kwargs = Value::from(minijinja::value::Kwargs::from_iter(named));
        let callable = engine.macro_value(definition, globals());
        // While parsing many a macro can't go to its end; what it has named until then counts.
        if let Err(error) = engine.call(&callable, &[kwargs], &said.shown(read)) {
            tracing::debug!(test = %node.name, %error, "its macro was not rendered to its end while parsing");
        }
    }
    if let Some(scope) = scope.get() {
        let of_scope = scope.collected();
        collected.refs.extend(of_scope.refs);
        collected.sources.extend(of_scope.sources);
        collected.configs = of_scope.configs;
    }
    Ok(collected)
}

/// Whether a test's macro, or one of those that it chooses among, may name models or configure the test.
fn names_more(read: &Read, definition: &Definition) -> bool {
    let name = &definition.name;
    let mentions = |d: &Definition| ["ref(", "source(", "config("].iter().any(|word| d.mentions(word));
    let chosen = [format!("default__{name}"), format!("postgres__{name}")];
    let packages = read.setting.packages.iter().flat_map(|package| chosen.iter().map(move |name| (package, name)));
    let mut others = packages.filter_map(|(package, name)| read.setting.engine.definition(package, name));
    mentions(definition) || others.any(|other| mentions(other))
}

/// Why there may be no such test: a package that is not installed, or a name that is near.
fn missing(read: &Read, generic: &GenericTest, hint: &str) -> String {
    match &generic.namespace {
        Some(package) if !read.setting.packages.contains(package) => no_package(package, &read.setting.packages),
        _ => hint.to_owned(),
    }
}

fn shown_word(generic: &GenericTest) -> String {
    generic.namespace.as_ref().map_or_else(|| generic.word.clone(), |n| format!("{n}.{}", generic.word))
}

enum Call<'a> {
    Ref(&'a str),
    Source(&'a str, &'a str),
}

/// `{{ get_where_subquery(ref('m')) }}`, `ref('m')`, `{{ source('s', 't') }}`.
fn plain_call(text: &str) -> Option<Call<'_>> {
    let inner = text.trim();
    let inner = inner.strip_prefix("{{").and_then(|t| t.strip_suffix("}}")).unwrap_or(inner).trim();
    let inner = inner.strip_prefix("get_where_subquery(").and_then(|t| t.strip_suffix(')')).unwrap_or(inner).trim();
    let unquoted = |text: &'_ str| -> Option<(usize, usize)> {
        let text_trimmed = text.trim();
        let quote = text_trimmed.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let inside = text_trimmed.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inside.contains(['\'', '"', '\\', '{'])).then(|| {
            let start = inside.as_ptr() as usize - text.as_ptr() as usize;
            (start, start + inside.len())
        })
    };
    if let Some(given) = inner.strip_prefix("ref(").and_then(|t| t.strip_suffix(')')) {
        let (start, end) = unquoted(given)?;
        return Some(Call::Ref(&given[start..end]));
    }
    let given = inner.strip_prefix("source(").and_then(|t| t.strip_suffix(')'))?;
    let (source, table) = given.split_once(',')?;
    let ((a, b), (c, d)) = (unquoted(source)?, unquoted(table)?);
    Some(Call::Source(&source[a..b], &table[c..d]))
}

/// The texts in a value that hold Jinja, or call `ref` or `source` without braces as old projects write it.
fn texts_with_jinja(value: &Json) -> Vec<&str> {
    match value {
        Json::String(text) if text.contains("{{") || text.contains("{%") => vec![text],
        Json::String(text) if plain_call(text).is_some() => vec![text],
        Json::Array(items) => items.iter().flat_map(texts_with_jinja).collect(),
        Json::Object(map) => map.values().flat_map(texts_with_jinja).collect(),
        _ => Vec::new(),
    }
}
