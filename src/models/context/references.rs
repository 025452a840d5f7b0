//! `ref` and `source`: collected while parsing, resolved while running.

use super::super::{
    jinja::Arguments,
    manifest::{Node, RefCall, Resource},
};
use super::{
    batch::condition,
    functions::{invalid, stand_in},
    relation::{Policy, RelationValue},
    scope::{Run, Scope, Task, lock},
};
use minijinja::{Error, value::Value};

/// `ref([package,] name [, version=…])`.
pub(super) fn reference(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    let version = arguments.get(usize::MAX, "version").or_else(|| arguments.get(usize::MAX, "v"));
    let version = version.filter(|v| !v.is_none() && !v.is_undefined()).map(ToString::to_string);
    let (package, name) = match arguments.positional() {
        [_] => (None, arguments.text(0, "name")?),
        [package, _] if package.is_none() => (None, arguments.text(1, "name")?),
        [_, _] => (Some(arguments.text(0, "package")?), arguments.text(1, "name")?),
        _ => return Err(invalid("ref() takes one or two names, and a version where the model has several")),
    };
    let call = RefCall { package, name, version };
    match &scope.task {
        Task::Parse(collected) => {
            let placeholder = placeholder(scope, &scope.setting.schema, &call.name);
            lock(collected).refs.push(call);
            Ok(placeholder.value())
        }
        Task::Run(run) => {
            let found =
                run.manifest.names.resolve(&call, &scope.subject.package).map_err(|lost| invalid(lost.to_string()))?;
            let node = run.manifest.nodes.get(found).ok_or_else(|| {
                invalid(format!("ref('{}'): that model's own file must be corrected first", call.name))
            })?;
            // Its last good version is there all the same, where that shall do.
            if node.fault.is_some() && (!node.continues() || node.is_ephemeral()) {
                return Err(invalid(format!("ref('{}'): that model's own file must be corrected first", call.name)));
            }
            if let Some(unit) = &run.unit {
                return unit.of_node(run, node).map(RelationValue::value);
            }
            Ok(relation_to(scope, node).value())
        }
    }
}

/// A node's relation as its reader sees it.
fn relation_to(scope: &Scope, node: &Node) -> RelationValue {
    let Some(run) = scope.run() else { return placeholder(scope, &node.relation.schema, &node.relation.name) };
    let limit = (scope.setting.flags.get("EMPTY").is_some_and(|v| *v == true)).then_some(0);
    if node.is_ephemeral() {
        let mut parts = lock(&run.parts);
        if !parts.iter().any(|known| known == node.id.as_str()) {
            parts.push(node.id.as_str().to_owned());
        }
        let batch = seen_through(scope, run, node.settings.text("event_time").as_deref());
        return RelationValue { batch, ..RelationValue::part(&node.relation.name) };
    }
    let kind = super::scope::Subject::of(node).this.and_then(|this| this.kind);
    let relation =
        RelationValue { quote: node.quoting, limit, ..RelationValue::of(run.manifest.place_of(node), kind.as_deref()) };
    let batch = seen_through(scope, run, node.settings.text("event_time").as_deref());
    stand_in(scope, RelationValue { batch, ..relation })
}

/// What the rows of an input must fulfil for the node that reads it.
fn seen_through(scope: &Scope, run: &Run, event_time: Option<&str>) -> Option<String> {
    let is_sampled = matches!(scope.subject.resource, Resource::Model | Resource::Snapshot);
    condition(run.batch.as_ref(), scope.setting.sample.filter(|_| is_sampled), event_time)
}

/// `source(source, table)`.
pub(super) fn source(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    let (source, table) = (arguments.text(0, "source_name")?, arguments.text(1, "table_name")?);
    match &scope.task {
        Task::Parse(collected) => {
            let placeholder = placeholder(scope, &source, &table);
            lock(collected).sources.push((source, table));
            Ok(placeholder.value())
        }
        Task::Run(run) => {
            let found = run
                .manifest
                .names
                .source(&source, &table, &scope.subject.package)
                .map_err(|lost| invalid(lost.to_string()))?;
            if let Some(unit) = &run.unit {
                return unit.of_source(run, &found.id, &source, &table).map(RelationValue::value);
            }
            let limit = (scope.setting.flags.get("EMPTY").is_some_and(|v| *v == true)).then_some(0);
            let batch = seen_through(scope, run, found.event_time.as_deref());
            let relation = RelationValue::of(&found.relation, None);
            Ok(RelationValue { quote: found.quoting, limit, batch, ..relation }.value())
        }
    }
}

/// `api.Relation.create_from(node)`: the relation of a node that is described by a dictionary.
pub(super) fn relation_of(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    let described = arguments.positional().last().ok_or_else(|| invalid("create_from() takes a node"))?;
    let part =
        |name: &str| described.get_attr(name).ok().filter(|v| !v.is_none() && !v.is_undefined()).map(|v| v.to_string());
    let name = part("alias").or_else(|| part("identifier")).or_else(|| part("name"));
    Ok(RelationValue {
        database: part("database").or_else(|| Some(scope.setting.database.clone())),
        schema: part("schema"),
        identifier: name,
        kind: None,
        quote: Policy::ALL,
        include: Policy::ALL,
        limit: None,
        batch: None,
    }
    .value())
}

/// Stands for a relation while nothing is looked up.
fn placeholder(scope: &Scope, schema: &str, name: &str) -> RelationValue {
    RelationValue {
        database: Some(scope.setting.database.clone()),
        schema: Some(schema.to_owned()),
        identifier: Some(name.to_owned()),
        kind: None,
        quote: Policy::ALL,
        include: Policy::ALL,
        limit: None,
        batch: None,
    }
}
