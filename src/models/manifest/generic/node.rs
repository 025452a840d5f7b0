//! One generic test, from what is said of it to its node.

use super::{
    super::{
        super::{
            reading::{Settings, look_at_config, rendered},
            relation::Relation,
        },
        GenericTest, Node, Resource,
        load::Read,
        place,
        test_name::{number, synthesized},
    },
    Said, refers,
};
use crate::{domain::ModelId, error::Result};
use serde_json::{Map, Value as Json};
use std::{collections::BTreeSet, sync::Arc};

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

/// The node of a test.
pub(super) fn of(read: &Read, said: &Said<'_>) -> Result<Node> {
    let (target, column) = (&*said.target, &said.column);
    let (word, mut given) = taken_apart(said.test)
        .ok_or_else(|| said.wrong(read, "a test must be a name, or one name with its arguments below it"))?;
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
    if let Some(column) = column {
        given.insert("column_name".to_owned(), column.name.as_str().into());
    }
    let (namespace, short) = word.split_once('.').map_or((None, word.as_str()), |(n, w)| (Some(n.to_owned()), w));
    let model = format!("{{{{ get_where_subquery({}) }}}}", target.call);
    let (name, alias) = match given_name {
        Some(name) => (name, None),
        None => synthesized((target.prefix, &target.name), namespace.as_deref(), short, &given),
    };
    let render = |text: &str, shown: &str| read.render(target.package, text, shown);
    let mut fqn = vec![target.package.to_owned()];
    let package = read.package(target.package).unwrap_or_else(|| read.own());
    let folders = package.below(target.file).rsplit_once('/').map_or("", |(folders, _)| folders);
    fqn.extend(folders.split('/').filter(|f| !f.is_empty()).map(str::to_owned));
    fqn.push(name.clone());
    if package.name != read.own().name {
        package.configure("tests", &fqn, &mut settings, &render)?;
    }
    read.own().configure("tests", &fqn, &mut settings, &render)?;
    if let Some(alias) = alias.filter(|_| !own.contains_key("alias")) {
        settings.set("alias", alias.into());
    }
    for (key, value) in &own {
        let value = rendered(value, &said.shown(read), &render)?;
        look_at_config("test", key, &value).map_err(|what| said.wrong(read, format!("test '{word}': {what}")))?;
        settings.set(key, value);
    }
    for tag in column.iter().flat_map(|column| &column.tags) {
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
            column: column.as_ref().map(|column| column.name.clone()),
            attached: target.attached.clone(),
            place: 0,
            arguments,
            steps: target.entry.steps(&said.way),
        }),
        unit: None,
        fault: None,
        name,
    };
    if node.settings.flag("enabled") != Some(false) {
        refers::parse(read, said, &mut node)?;
    }
    node.relation = place::of(read, &node)?;
    Ok(node)
}

/// `package.test_word` or `test_word`.
pub(in crate::models::manifest) fn macro_name(namespace: Option<&str>, word: &str) -> String {
    namespace.map_or_else(|| format!("test_{word}"), |namespace| format!("{namespace}.test_{word}"))
}
