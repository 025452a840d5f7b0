//! Tests that properties say of models, seeds, snapshots and tables of sources.
//!
//! Here they are found; [`node`] makes a node of one, and [`refers`] finds what that reads. Projects have thousands of
//! them, and none needs another: they are made on all processors.

mod node;
mod refers;

use super::{
    super::{
        reading::{Entry, Step},
        spread::spread,
    },
    Names, Node, RefCall, Resource, Source,
    load::Read,
    resolve::resolve,
    said::columns_of,
    wrong,
};
use crate::{
    domain::ModelId,
    error::{Error, Result},
    warehouse::quote,
};
pub(in crate::models::manifest) use node::macro_name;
use serde_json::{Map, Value as Json};
use std::{collections::BTreeMap, fmt::Display, sync::Arc};

/// Tests that a thread is worth, at least.
const TESTS_MIN: usize = 64;

/// What a test is said of.
struct Target<'a> {
    package: &'a str,
    file: &'a str,
    /// Where properties speak of it.
    entry: &'a Entry,
    /// What it is, for people: `model pay`.
    shown: String,
    /// What its name begins with: nothing, or `source_`.
    prefix: &'static str,
    /// As it stands in the test's name.
    name: String,
    /// The call that stands for it: `ref('m')`.
    call: String,
    attached: Option<ModelId>,
}

/// Adds the tests that all properties say; gives those that are off.
pub(super) fn add(
    read: &Read,
    names: &Names,
    found: &[Source],
    nodes: &mut BTreeMap<ModelId, Node>,
) -> Result<Vec<Node>> {
    let mut said = Vec::new();
    for (list, resource) in [("models", Resource::Model), ("seeds", Resource::Seed), ("snapshots", Resource::Snapshot)]
    {
        for entry in read.properties.of(list) {
            said.extend(of_entry(names, nodes, entry, resource));
        }
    }
    for source in found.iter().filter(|s| s.is_enabled) {
        let of_source = |entry: &&Entry| entry.file == source.file && entry.at.1 == source.at.0;
        let Some(entry) = read.properties.of("sources").iter().filter(|e| e.package == source.package).find(of_source)
        else {
            continue;
        };
        let target = Target {
            package: &source.package,
            file: &source.file,
            entry,
            shown: format!("source {}.{}", source.source, source.name),
            prefix: "source_",
            name: format!("{}_{}", source.source, source.name),
            call: format!("source('{}', '{}')", source.source, source.name),
            attached: None,
        };
        let Some(table) = entry.map.get("tables").and_then(|all| all.get(source.at.1)).and_then(Json::as_object) else {
            continue;
        };
        said.extend(of_target(target, &columns_of(&[table]), Some(table)));
    }
    let (mut disabled, mut place) = (Vec::new(), 0);
    for node in spread(&said, TESTS_MIN, |said| node::of(read, said)) {
        let mut node = node?;
        if node.settings.flag("enabled") == Some(false) {
            disabled.push(node);
            continue;
        }
        if let Some(generic) = &mut node.generic {
            generic.place = place;
            place += 1;
        }
        if !resolve(&mut node, read, names) {
            disabled.push(node);
            continue;
        }
        let (id, shown) = (node.id.clone(), node.file.clone());
        if nodes.insert(id, node).is_some() {
            return Err(wrong(&shown, "one test is said twice; give one of them a name"));
        }
    }
    Ok(disabled)
}

/// The tests of one entry: of a model, or of each of its versions.
fn of_entry<'a>(names: &Names, nodes: &BTreeMap<ModelId, Node>, entry: &'a Entry, resource: Resource) -> Vec<Said<'a>> {
    let versions = entry.map.get("versions").and_then(Json::as_array).filter(|_| resource == Resource::Model);
    let versions: Vec<Option<&Map<String, Json>>> = match versions {
        Some(versions) => versions.iter().map(Json::as_object).collect(),
        None => vec![None],
    };
    let mut all = Vec::new();
    for version in versions {
        let number = version.and_then(|v| v.get("v")).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        let call = RefCall { package: Some(entry.package.clone()), name: entry.name.clone(), version: number.clone() };
        // What is said of a model that isn't there, or is off, is not tested.
        let Ok(attached) = names.resolve(&call, &entry.package) else { continue };
        if !nodes.contains_key(attached) {
            continue;
        }
        let target = Target {
            package: &entry.package,
            file: &entry.file,
            entry,
            shown: format!("{} {}", resource.as_str(), entry.name),
            prefix: "",
            name: number.as_ref().map_or_else(|| entry.name.clone(), |v| format!("{}_v{v}", entry.name)),
            call: match &number {
                Some(version) => format!("ref('{}', version='{version}')", entry.name),
                None => format!("ref('{}')", entry.name),
            },
            attached: Some(attached.clone()),
        };
        let said: Vec<&Map<String, Json>> = version.into_iter().chain([&entry.map]).collect();
        let own = said.iter().find(|map| map.contains_key("data_tests") || map.contains_key("tests"));
        all.extend(of_target(target, &columns_of(&said), own.copied()));
    }
    all
}

/// The tests of a target's columns, then those of the whole.
fn of_target<'a>(
    target: Target<'a>,
    columns: &[&'a Map<String, Json>],
    whole: Option<&'a Map<String, Json>>,
) -> Vec<Said<'a>> {
    let target = Arc::new(target);
    let of = |map: &'a Map<String, Json>, column: Option<&Column>| {
        let way = target.entry.way_to(map);
        let said = |(below, test): (Vec<Step>, &'a Json)| Said {
            target: target.clone(),
            way: [way.as_slice(), &below].concat(),
            test,
            column: column.cloned(),
        };
        placed_tests(map).map(said).collect::<Vec<_>>()
    };
    let of_column = |map: &&'a Map<String, Json>| {
        let name = map.get("name").and_then(Json::as_str).unwrap_or_default();
        let name = if map.get("quote") == Some(&Json::Bool(true)) { quote(name) } else { name.to_owned() };
        of(map, Some(&Column { name, tags: super::sources::tags_of(map) }))
    };
    columns.iter().flat_map(of_column).chain(whole.into_iter().flat_map(|map| of(map, None))).collect()
}

/// One test as it is said: of what, and where.
struct Said<'a> {
    target: Arc<Target<'a>>,
    /// From the entry to it.
    way: Vec<Step>,
    test: &'a Json,
    column: Option<Column>,
}

/// The column that a test is said of.
#[derive(Clone)]
struct Column {
    name: String,
    tags: Vec<String>,
}

impl Said<'_> {
    /// What is wrong with it.
    fn wrong(&self, read: &Read, what: impl Display) -> Error {
        read.wrong_in(self.target.entry, &self.way, format!("{}: {what}", self.target.shown))
    }

    /// Its place and what it is of.
    fn shown(&self, read: &Read) -> String {
        format!("{}: {}", read.place_of(self.target.entry), self.target.shown)
    }
}

/// The tests of a map under either of their names, each with the steps to it.
fn placed_tests(map: &Map<String, Json>) -> impl Iterator<Item = (Vec<Step>, &Json)> {
    ["data_tests", "tests"].into_iter().flat_map(|key| {
        let tests = map.get(key).and_then(Json::as_array).into_iter().flatten().enumerate();
        tests.map(move |(at, test)| (vec![Step::Key(key.to_owned()), Step::Item(at)], test))
    })
}
