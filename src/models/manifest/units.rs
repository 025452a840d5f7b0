//! Unit tests: what properties say of them, and the models they are said of.
//!
//! Named and refused as dbt does it (dbt-core, `parser/unit_tests.py`).
//! Guarantee: a unit test that can't be used is a node with a fault; only one whose model nobody knows stops all.

use super::{
    super::{
        checksum,
        context::{
            relation::Policy,
            scope::{Collected, Scope, Subject, Task},
        },
        reading::{Entry, Settings, files, rendered},
        relation::Relation,
    },
    Fault, Names, Node, Resource,
    load::{Read, explained},
    unit_rows::{Fixtures, UnitFixture},
    wrong,
};
use crate::{domain::ModelId, error::Result};
use serde_json::{Map, Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

/// What makes a node a unit test.
#[derive(Clone, Debug)]
pub(in crate::models) struct UnitTest {
    /// The model that is tested.
    pub model: ModelId,
    /// Its name, as written.
    pub named: String,
    /// What stands in for what the model reads.
    pub given: Vec<UnitInput>,
    /// What it shall give.
    pub expect: UnitFixture,
    /// What macros give instead of what they would, by name.
    pub macros: Map<String, Json>,
    /// Variables above all others.
    pub vars: Map<String, Json>,
    /// Variables of the environment above the others.
    pub env_vars: Map<String, Json>,
    /// Which versions of the model were asked for, as written.
    versions: Json,
    has_overrides: bool,
}

/// Rows that stand in for one thing that a model reads.
#[derive(Clone, Debug)]
pub(in crate::models) struct UnitInput {
    /// `ref('x')`, `source('x', 'y')` or `this`, as written.
    input: String,
    /// The unique id of what they stand in for: a node or a source's table.
    pub id: String,
    /// Its rows.
    pub fixture: UnitFixture,
}

impl UnitTest {
    /// As messages and artifacts name it beside its model: with the version that it tests.
    pub(in crate::models) fn shown(&self, test: &Node) -> String {
        let version = test.version.as_ref().map_or_else(String::new, |v| format!("_v{}", plain(v)));
        format!("{}::{}{version}", self.named, test.name)
    }
}

/// Adds the unit tests of all packages, and gives those of each model.
pub(super) fn add(
    read: &Read,
    names: &Names,
    nodes: &mut BTreeMap<ModelId, Node>,
    disabled: &mut Vec<Node>,
) -> Result<BTreeMap<ModelId, Vec<ModelId>>> {
    let mut units: BTreeMap<ModelId, Vec<ModelId>> = BTreeMap::new();
    let mut fixtures: BTreeMap<&str, Fixtures> = BTreeMap::new();
    for entry in read.properties.of("unit_tests") {
        if !fixtures.contains_key(entry.package.as_str()) {
            fixtures.insert(&entry.package, fixtures_of(read, entry)?);
        }
        let shown = format!("{}: unit test {}", entry.file, entry.name);
        let said = said(read, entry, &shown)?;
        let Some(named) = said.get("model").and_then(Json::as_str) else {
            return Err(wrong(&shown, "it names no model"));
        };
        let settings = settings_of(read, entry, named, &said)?;
        let is_off = settings.flag("enabled") == Some(false);
        let fixtures = &fixtures[entry.package.as_str()];
        let mut made = Vec::new();
        let all = match tested(names, nodes, entry, named, &said, &shown) {
            // One that is off may be of a model that is gone.
            Err(_) if is_off => continue,
            all => all?,
        };
        for tested in all {
            let id = match tested.version.as_ref().map(plain) {
                Some(v) => format!("unit_test.{}.{}.{}_v{v}", entry.package, tested.name, entry.name),
                None => format!("unit_test.{}.{named}.{}", entry.package, entry.name),
            };
            let mut node = draft(read, entry, named, &said, tested, settings.clone(), ModelId::new(id))?;
            match unit_of(read, names, nodes, entry, named, &said, tested, fixtures, &shown) {
                Ok(unit) => node.unit = Some(Arc::new(unit)),
                Err(error) => node.fault = Some(Fault::new(error)),
            }
            made.push((tested.id.clone(), node));
        }
        if is_off {
            disabled.extend(made.into_iter().map(|(_, node)| node));
            continue;
        }
        for (tested, node) in made {
            units.entry(tested).or_default().push(node.id.clone());
            if nodes.insert(node.id.clone(), node).is_some() {
                return Err(wrong(&shown, "it is said twice of this model; give one of them another name"));
            }
        }
    }
    Ok(units)
}

/// The entry with its Jinja rendered; descriptions aside, in which `doc()` stands.
fn said(read: &Read, entry: &Entry, shown: &str) -> Result<Map<String, Json>> {
    let render = |text: &str, shown: &str| read.render(&entry.package, text, shown);
    let mut said = Map::new();
    for (key, value) in &entry.map {
        let value = if key == "description" { value.clone() } else { rendered(value, shown, &render)? };
        said.insert(key.clone(), value);
    }
    Ok(said)
}

fn fixtures_of(read: &Read, entry: &Entry) -> Result<Fixtures> {
    let package = read.package(&entry.package).ok_or_else(|| wrong(&entry.file, "its package is gone"))?;
    let mut found = Fixtures::new();
    for file in files(package, "test-paths", &["csv", "sql"])?.into_iter().filter(|f| f.below.starts_with("fixtures/"))
    {
        let stem = file.below.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
        if let Some((stem, _)) = stem {
            found.insert(stem.to_owned(), file.text);
        }
    }
    Ok(found)
}

/// The file that it is said in, below the folder that this was found in.
fn below<'a>(read: &Read, entry: &'a Entry) -> &'a str {
    read.package(&entry.package).unwrap_or_else(|| read.own()).below(&entry.file)
}

fn fqn_of(read: &Read, entry: &Entry, named: &str) -> Vec<String> {
    let folders = below(read, entry).rsplit_once('/').map_or("", |(folders, _)| folders);
    let folders = folders.split('/').filter(|f| !f.is_empty());
    let all = std::iter::once(entry.package.as_str()).chain(folders).chain([named, entry.name.as_str()]);
    all.map(str::to_owned).collect()
}

fn settings_of(read: &Read, entry: &Entry, named: &str, said: &Map<String, Json>) -> Result<Settings> {
    let mut settings = Settings::default();
    let (fqn, package) = (fqn_of(read, entry, named), read.package(&entry.package));
    let render = |text: &str, shown: &str| read.render(&entry.package, text, shown);
    for project in package.into_iter().filter(|p| p.name != read.own().name).chain([read.own()]) {
        for kind in ["unit_tests", "unit-tests"] {
            project.configure(kind, &fqn, &mut settings, &render)?;
        }
    }
    if let Some(Json::Object(config)) = said.get("config") {
        settings.merge(config);
    }
    Ok(settings)
}

/// The models that a unit test is of: one, or versions of it. None where it is disabled.
fn tested<'a>(
    names: &Names,
    nodes: &'a BTreeMap<ModelId, Node>,
    entry: &Entry,
    named: &str,
    said: &Map<String, Json>,
    shown: &str,
) -> Result<Vec<&'a Node>> {
    let of = |package: Option<&str>| -> Vec<&'a Node> {
        let is_it = |n: &&Node| {
            n.resource == Resource::Model && n.name == named && package.is_none_or(|package| n.package == package)
        };
        nodes.values().filter(is_it).collect()
    };
    let own = of(Some(&entry.package));
    let all = if own.is_empty() { of(None) } else { own };
    if all.is_empty() {
        if names.knows(named) {
            return Ok(Vec::new());
        }
        let known = nodes.values().filter(|n| n.resource == Resource::Model).map(|n| n.name.as_str());
        return Err(wrong(shown, format!("there is no model '{named}'{}", super::hint(named, known))));
    }
    let listed = |key: &str| -> Option<Vec<String>> {
        let list = said.get("versions")?.get(key)?.as_array()?;
        Some(list.iter().map(plain).collect()).filter(|list: &Vec<_>| !list.is_empty())
    };
    let (included, excluded) = (listed("include"), listed("exclude"));
    if all.iter().all(|n| n.version.is_none()) {
        if included.is_some() || excluded.is_some() {
            return Err(wrong(shown, format!("the model '{named}' has no versions to include or exclude")));
        }
        return Ok(all);
    }
    let is_meant = |node: &&Node| {
        let version = node.version.as_ref().map(plain).unwrap_or_default();
        match (&excluded, &included) {
            (Some(excluded), _) => !excluded.contains(&version),
            (None, Some(included)) => included.contains(&version),
            (None, None) => true,
        }
    };
    let meant: Vec<&Node> = all.into_iter().filter(is_meant).collect();
    if meant.is_empty() {
        return Err(wrong(shown, format!("none of the versions of the model '{named}' is meant")));
    }
    Ok(meant)
}

/// The node, but for what it gives and expects.
fn draft(
    read: &Read,
    entry: &Entry,
    named: &str,
    said: &Map<String, Json>,
    tested: &Node,
    settings: Settings,
    id: ModelId,
) -> Result<Node> {
    let description = said.get("description").and_then(Json::as_str).unwrap_or_default();
    let below = below(read, entry);
    let parts: Vec<String> = ["given", "expect", "overrides", "versions"]
        .iter()
        .map(|key| said.get(*key).unwrap_or(&Json::Null).to_string())
        .collect();
    let root = read.package(&entry.package).map(|p| p.root.clone()).unwrap_or_default();
    Ok(Node {
        id,
        resource: Resource::UnitTest,
        package: entry.package.clone(),
        name: entry.name.clone(),
        file: entry.file.clone(),
        path: below.to_owned(),
        root: Arc::new(root),
        fqn: fqn_of(read, entry, named),
        source: "".into(),
        first_line: 0,
        checksum: checksum::of(std::iter::once(named).chain(parts.iter().map(String::as_str))),
        settings,
        relation: Relation { name: entry.name.clone(), ..tested.relation.clone() },
        quoting: Policy::ALL,
        description: read.described(&entry.package, description, &entry.file)?,
        columns: Map::new(),
        constraints: Vec::new(),
        patch: None,
        version: tested.version.clone(),
        latest_version: None,
        deprecation_date: None,
        refs: Vec::new(),
        source_calls: Vec::new(),
        macros: BTreeSet::new(),
        parents: BTreeSet::from([tested.id.clone()]),
        sources: BTreeSet::new(),
        generic: None,
        unit: None,
        fault: None,
    })
}

#[expect(clippy::too_many_arguments, reason = "one call, which has all of it at hand")]
fn unit_of(
    read: &Read,
    names: &Names,
    nodes: &BTreeMap<ModelId, Node>,
    entry: &Entry,
    named: &str,
    said: &Map<String, Json>,
    tested: &Node,
    fixtures: &Fixtures,
    shown: &str,
) -> Result<UnitTest> {
    let map = |of: Option<&Json>| of.and_then(Json::as_object).cloned().unwrap_or_default();
    let overrides = said.get("overrides").filter(|o| !o.is_null());
    let overridden = |key: &str| map(overrides.and_then(|o| o.get(key)));
    let macros = overridden("macros");
    let mut given = Vec::new();
    for one in said.get("given").and_then(Json::as_array).into_iter().flatten() {
        let wanted = || wrong(shown, "each entry of given is a map with an input and its rows");
        let map = one.as_object().ok_or_else(wanted)?;
        let input = map.get("input").and_then(Json::as_str).ok_or_else(wanted)?;
        let id = if input.trim() == "this" {
            tested.id.as_str().to_owned()
        } else {
            input_id(read, names, entry, input, shown)?
        };
        let seed = || -> Result<Option<String>> {
            let Some(node) = nodes.get(&ModelId::new(id.as_str())).filter(|n| n.resource == Resource::Seed) else {
                return Ok(None);
            };
            let path = node.root.join(&node.file);
            std::fs::read_to_string(&path).map(Some).map_err(|e| wrong(&path.display().to_string(), e))
        };
        let fixture = UnitFixture::read(map, fixtures, seed, &format!("{shown}: {input}"))?;
        given.push(UnitInput { input: input.to_owned(), id, fixture });
    }
    let expect = map(said.get("expect"));
    let expect = UnitFixture::read(&expect, fixtures, || Ok(None), &format!("{shown}: expect"))?;
    if tested.source.contains("is_incremental(") {
        let Some(is_incremental) = macros.get("is_incremental").and_then(Json::as_bool) else {
            return Err(wrong(shown, "its model asks is_incremental(): say true or false under overrides: macros:"));
        };
        if is_incremental && !given.iter().any(|g| g.input.trim() == "this") {
            return Err(wrong(shown, "its model is incremental here: give rows of the input `this`"));
        }
    }
    Ok(UnitTest {
        model: tested.id.clone(),
        named: named.to_owned(),
        given,
        expect,
        macros,
        vars: overridden("vars"),
        env_vars: overridden("env_vars"),
        versions: said.get("versions").cloned().unwrap_or_default(),
        has_overrides: overrides.is_some(),
    })
}

/// What `ref('x')` or `source('x', 'y')` names.
fn input_id(read: &Read, names: &Names, entry: &Entry, input: &str, shown: &str) -> Result<String> {
    let scope = Scope::new(read.setting.clone(), Subject::of_package(&entry.package), Task::Parse(Mutex::default()));
    let text = format!("{{{{ {input} }}}}");
    read.setting.engine.evaluate(shown, &text, scope.globals()).map_err(|e| explained(&e))?;
    let Collected { refs, sources, .. } = scope.collected();
    let found = match (refs.first(), sources.first()) {
        (Some(call), _) => {
            names.resolve(call, &entry.package).map(|id| id.as_str().to_owned()).map_err(|lost| lost.to_string())
        }
        (None, Some((source, table))) => {
            names.source(source, table, &entry.package).map(|found| found.id.clone()).map_err(|lost| lost.to_string())
        }
        (None, None) => Err(format!("the input {input} is none of ref(…), source(…) and this")),
    };
    found.map_err(|what| wrong(shown, what))
}

/// A version as text, whether it was written as one or as a number.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A unit test as its artifact describes it.
pub(in crate::models) fn described_unit(test: &Node) -> Json {
    let Some(unit) = &test.unit else { return Json::Null };
    let given = unit.given.iter().map(|input| {
        let mut map = Map::from_iter([("input".to_owned(), input.input.as_str().into())]);
        map.extend(input.fixture.described());
        Json::Object(map)
    });
    let overrides = json!({"macros": unit.macros, "vars": unit.vars, "env_vars": unit.env_vars});
    let meta = test.settings.get("meta").cloned().unwrap_or_else(|| json!({}));
    json!({
        "model": unit.named, "given": given.collect::<Vec<_>>(), "expect": unit.expect.described(), "name": test.name,
        "resource_type": "unit_test", "package_name": test.package, "path": test.path,
        "original_file_path": test.file, "unique_id": test.id.as_str(), "fqn": test.fqn,
        "description": test.description, "overrides": unit.has_overrides.then_some(overrides),
        "depends_on": {"macros": [], "nodes": [unit.model.as_str()]},
        "config": {"tags": test.settings.texts("tags"), "meta": meta, "enabled": true},
        "checksum": test.checksum, "schema": test.relation.schema, "created_at": 0, "versions": unit.versions,
        "version": test.version,
    })
}
