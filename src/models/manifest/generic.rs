//! Tests that properties say of models, seeds, snapshots and tables of sources.

use super::{
    super::{
        context::scope::{Collected, DBT, Scope, Subject, Task},
        jinja::Definition,
        reading::{Entry, Settings, Step, look_at_config, rendered},
        relation::Relation,
    },
    GenericTest, Names, Node, RefCall, Resource, Source,
    draft::resolve,
    load::{Read, explained},
    place,
    said::columns_of,
    test_name::{number, synthesized},
    wrong,
};
use crate::{
    domain::ModelId,
    error::{Error, Result},
    warehouse::quote,
};
use minijinja::value::Value;
use serde_json::{Map, Value as Json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    sync::{Arc, Mutex},
};

/// What a test may be configured with beside its arguments.
const CONFIG_KEYS: &[&str] = &[
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "meta",
    "database",
    "schema",
    "alias",
];

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
    let mut made = Vec::new();
    for (list, resource) in [("models", Resource::Model), ("seeds", Resource::Seed), ("snapshots", Resource::Snapshot)]
    {
        for entry in read.properties.of(list) {
            of_entry(read, names, nodes, entry, resource, &mut made)?;
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
        of_target(read, &target, &columns_of(&[table]), Some(table), &mut made)?;
    }
    let is_off = |node: &Node| node.settings.flag("enabled") == Some(false);
    let (mut disabled, made): (Vec<Node>, Vec<Node>) = made.into_iter().partition(is_off);
    for (place, mut node) in made.into_iter().enumerate() {
        if let Some(generic) = &mut node.generic {
            generic.place = place;
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

fn of_entry(
    read: &Read,
    names: &Names,
    nodes: &BTreeMap<ModelId, Node>,
    entry: &Entry,
    resource: Resource,
    made: &mut Vec<Node>,
) -> Result<()> {
    let versions = entry.map.get("versions").and_then(Json::as_array).filter(|_| resource == Resource::Model);
    let versions: Vec<Option<&Map<String, Json>>> = match versions {
        Some(versions) => versions.iter().map(Json::as_object).collect(),
        None => vec![None],
    };
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
        of_target(read, &target, &columns_of(&said), own.copied(), made)?;
    }
    Ok(())
}

fn of_target(
    read: &Read,
    target: &Target<'_>,
    columns: &[&Map<String, Json>],
    whole: Option<&Map<String, Json>>,
    made: &mut Vec<Node>,
) -> Result<()> {
    for column in columns {
        let way = target.entry.way_to(column);
        let name = column.get("name").and_then(Json::as_str).unwrap_or_default();
        let name = if column.get("quote") == Some(&Json::Bool(true)) { quote(name) } else { name.to_owned() };
        for (below, said) in placed_tests(column) {
            let place = Placed { target, way: [way.as_slice(), &below].concat() };
            made.push(one(read, &place, said, Some((&name, super::sources::tags_of(column))))?);
        }
    }
    if let Some(whole) = whole {
        let way = target.entry.way_to(whole);
        for (below, said) in placed_tests(whole) {
            made.push(one(read, &Placed { target, way: [way.as_slice(), &below].concat() }, said, None)?);
        }
    }
    Ok(())
}

/// One test as it is said: of what, and where.
struct Placed<'a> {
    target: &'a Target<'a>,
    /// From the entry to it.
    way: Vec<Step>,
}

impl Placed<'_> {
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

/// The word of a test and what it is given: `not_null`, `{unique: {…}}`, `{test_name: unique, …}`.
fn taken_apart(said: &Json) -> Option<(String, Map<String, Json>)> {
    match said {
        Json::String(word) => Some((word.clone(), Map::new())),
        Json::Object(map) => {
            if let Some(Json::String(word)) = map.get("test_name") {
                let given = map.iter().filter(|(key, _)| *key != "test_name").map(|(k, v)| (k.clone(), v.clone()));
                return Some((word.clone(), given.collect()));
            }
            // Some write the configuration beside the word instead of below it.
            let mut words = map.iter().filter(|(key, _)| {
                !CONFIG_KEYS.contains(&key.as_str())
                    && !matches!(key.as_str(), "config" | "name" | "arguments" | "description")
            });
            let (word, inner) = words.next()?;
            if words.next().is_some() {
                return None;
            }
            let mut given: Map<String, Json> =
                map.iter().filter(|(k, _)| *k != word).map(|(k, v)| (k.clone(), v.clone())).collect();
            match inner {
                Json::Object(inner) => given.extend(inner.clone()),
                Json::Null => {}
                _ => return None,
            }
            Some((word.clone(), given))
        }
        _ => None,
    }
}

fn one(read: &Read, place: &Placed<'_>, said: &Json, column: Option<(&str, Vec<String>)>) -> Result<Node> {
    let target = place.target;
    let (word, mut given) = taken_apart(said)
        .ok_or_else(|| place.wrong(read, "a test must be a name, or one name with its arguments below it"))?;
    if let Some(Json::Object(arguments)) = given.remove("arguments") {
        given.extend(arguments);
    }
    let mut settings = Settings::default();
    let mut own = Map::new();
    for key in CONFIG_KEYS {
        if let Some(value) = given.remove(*key).filter(|v| !v.is_null()) {
            own.insert((*key).to_owned(), value);
        }
    }
    if let Some(Json::Object(config)) = given.remove("config") {
        own.extend(config);
    }
    let description = given.remove("description").and_then(|d| d.as_str().map(str::to_owned)).unwrap_or_default();
    let given_name = given.remove("name").and_then(|n| n.as_str().map(str::to_owned));
    if let Some((column, _)) = &column {
        given.insert("column_name".to_owned(), (*column).into());
    }
    let (namespace, short) = word.split_once('.').map_or((None, word.as_str()), |(n, w)| (Some(n.to_owned()), w));
    let model = format!("{{{{ get_where_subquery({}) }}}}", target.call);
    let (name, alias) = match given_name {
        Some(name) => (name, None),
        None => synthesized((target.prefix, &target.name), namespace.as_deref(), short, &given),
    };
    let render = |text: &str, shown: &str| read.render(target.package, text, shown);
    let mut fqn = vec![target.package.to_owned()];
    let below = target.file.split_once('/').map_or("", |(_, below)| below);
    let folders = below.rsplit_once('/').map_or("", |(folders, _)| folders);
    fqn.extend(folders.split('/').filter(|f| !f.is_empty()).map(str::to_owned));
    fqn.push(name.clone());
    let package = read.package(target.package).unwrap_or_else(|| read.own());
    if package.name != read.own().name {
        package.configure("tests", &fqn, &mut settings, &render)?;
    }
    read.own().configure("tests", &fqn, &mut settings, &render)?;
    if let Some(alias) = alias.filter(|_| !own.contains_key("alias")) {
        settings.set("alias", alias.into());
    }
    for (key, value) in &own {
        let value = rendered(value, &place.shown(read), &render)?;
        look_at_config("test", key, &value).map_err(|what| place.wrong(read, format!("test '{word}': {what}")))?;
        settings.set(key, value);
    }
    for tag in column.iter().flat_map(|(_, tags)| tags) {
        settings.set("tags", tag.as_str().into());
    }
    let mut arguments = given;
    arguments.insert("model".to_owned(), model.into());
    let id = format!("test.{}.{name}.{}", target.package, number(&name, namespace.as_deref(), short, &arguments));
    let mut node = Node {
        id: ModelId::new(id),
        resource: Resource::Test,
        package: target.package.to_owned(),
        file: target.file.to_owned(),
        path: format!("{name}.sql"),
        root: Arc::new(package.root.clone()),
        fqn,
        source: format!("{{{{ {}(**_dbt_generic_test_kwargs) }}}}", macro_name(namespace.as_deref(), short)).into(),
        first_line: 0,
        checksum: String::new(),
        settings,
        relation: Relation { database: read.setting.database.clone(), schema: String::new(), name: name.clone() },
        quoting: read.own().quoting(),
        description,
        columns: Map::new(),
        constraints: Vec::new(),
        patch: None,
        version: None,
        latest_version: None,
        deprecation_date: None,
        refs: Vec::new(),
        source_calls: Vec::new(),
        macros: BTreeSet::new(),
        parents: BTreeSet::new(),
        sources: BTreeSet::new(),
        generic: Some(GenericTest {
            word: short.to_owned(),
            namespace,
            column: column.map(|(name, _)| name.to_owned()),
            attached: target.attached.clone(),
            place: 0,
            arguments,
            steps: target.entry.steps(&place.way),
        }),
        unit: None,
        fault: None,
        name,
    };
    if node.settings.flag("enabled") != Some(false) {
        parse(read, place, &mut node)?;
    }
    node.relation = place::of(read, &node)?;
    Ok(node)
}

/// `package.test_word` or `test_word`.
pub(super) fn macro_name(namespace: Option<&str>, word: &str) -> String {
    namespace.map_or_else(|| format!("test_{word}"), |namespace| format!("{namespace}.test_{word}"))
}

/// Finds the test's macro, and what its arguments and its own text refer to.
fn parse(read: &Read, place: &Placed<'_>, node: &mut Node) -> Result<()> {
    let target = place.target;
    let shown = place.shown(read);
    let Some(generic) = node.generic.clone() else { return Ok(()) };
    let subject = Subject { this: None, ..Subject::of(node) };
    let scope = Scope::new(read.setting.clone(), subject, Task::Parse(Mutex::default()));
    let name = format!("test_{}", generic.word);
    let found = match &generic.namespace {
        Some(package) => read.setting.engine.definition(package, &name),
        None => [target.package, read.own().name.as_str(), "dbt"]
            .iter()
            .find_map(|p| read.setting.engine.definition(p, &name)),
    };
    let Some(definition) = found.cloned() else {
        let names: BTreeSet<&str> =
            read.setting.engine.definitions().filter_map(|d| d.name.strip_prefix("test_")).collect();
        let hint = super::hint(&generic.word, names);
        return Err(
            place.wrong(read, format!("there is no test '{}'{}", shown_word(&generic), missing(read, &generic, &hint)))
        );
    };
    node.macros.insert(format!("macro.{}.{}", definition.package, definition.name));
    let mut collected = Collected::default();
    for value in generic.arguments.values() {
        for text in texts_with_jinja(value) {
            // The commonest: nothing is rendered to see what it names.
            if let Some(call) = plain_call(text) {
                match call {
                    Call::Ref(name) => {
                        collected.refs.push(RefCall { package: None, name: name.to_owned(), version: None })
                    }
                    Call::Source(source, table) => collected.sources.push((source.to_owned(), table.to_owned())),
                }
                continue;
            }
            read.setting.engine.evaluate(&shown, text, scope.globals()).map_err(|e| explained(&e))?;
        }
    }
    // A test's own text names models rarely; then it is rendered to see which.
    if definition.package != DBT && names_more(read, &name, &definition) {
        let model = Value::from("__model__");
        let values: Vec<(String, Value)> =
            generic.arguments.iter().map(|(k, v)| (k.clone(), super::super::jinja::from_json(v))).collect();
        let named = values.into_iter().map(|(k, v)| if k == "model" { (k, model.clone()) } else { (k, v) });
        let kwargs = Value::from(minijinja::value::Kwargs::from_iter(named));
        let callable = read.setting.engine.macro_value(&definition, scope.globals());
        // While parsing many a macro can't go to its end; what it has named until then counts.
        if let Err(error) = read.setting.engine.call(&callable, &[kwargs], &shown) {
            tracing::debug!(test = %node.name, %error, "its macro was not rendered to its end while parsing");
        }
    }
    let of_scope = scope.collected();
    collected.refs.extend(of_scope.refs);
    collected.sources.extend(of_scope.sources);
    for config in &of_scope.configs {
        for (key, value) in config {
            if node.settings.get(key).is_none() {
                node.settings.set(key, value.clone());
            }
        }
    }
    (node.refs, node.source_calls) = (collected.refs, collected.sources);
    Ok(())
}

/// Whether a test's macro, or one of those that it chooses among, may name models or configure the test.
fn names_more(read: &Read, name: &str, definition: &Definition) -> bool {
    let mentions = |d: &Definition| ["ref(", "source(", "config("].iter().any(|word| d.mentions(word));
    let chosen = [format!("default__{name}"), format!("postgres__{name}")];
    let packages = read.setting.packages.iter().flat_map(|package| chosen.iter().map(move |name| (package, name)));
    let mut others = packages.filter_map(|(package, name)| read.setting.engine.definition(package, name));
    mentions(definition) || others.any(|other| mentions(other))
}

/// Why there may be no such test: a package that is not installed, or a name that is near.
fn missing(read: &Read, generic: &GenericTest, hint: &str) -> String {
    match &generic.namespace {
        Some(package) if !read.setting.packages.contains(package) => super::no_package(package, &read.setting.packages),
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
