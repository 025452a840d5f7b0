//! Tables of sources: what is read and not made.

use super::{
    super::{
        context::relation::Policy,
        reading::{Settings, Step, texts},
        relation::Relation,
    },
    SourceTable,
    load::Read,
    wrong,
};
use crate::error::Result;
use serde_json::{Map, Value as Json};

/// A table of a source.
#[derive(Clone, Debug)]
pub(in crate::models) struct Source {
    /// Its unique id.
    pub id: String,
    /// Its package.
    pub package: String,
    /// The properties file.
    pub file: String,
    /// The source's name.
    pub source: String,
    /// The table's name.
    pub name: String,
    /// Where it is.
    pub relation: Relation,
    /// How its name is quoted.
    pub quoting: Policy,
    /// Its configuration.
    pub settings: Settings,
    /// Whether it is enabled.
    pub is_enabled: bool,
    /// For people.
    pub description: String,
    /// For people, of the source.
    pub source_description: String,
    /// What is said of its columns.
    pub columns: Vec<Map<String, Json>>,
    /// Which entry of its file it stands in, and which of the entry's tables it is.
    pub at: (usize, usize),
    /// What loads it, as somebody wrote.
    pub loader: String,
    /// The column, or the query, that tells when it was loaded.
    pub loaded_at: Option<String>,
    /// The query that tells when it was loaded.
    pub loaded_at_query: Option<String>,
    /// When it counts as stale.
    pub freshness: Option<Json>,
    /// Package, folders, source and table.
    pub fqn: Vec<String>,
}

impl Source {
    /// As `source()` finds it.
    pub(super) fn named(&self) -> SourceTable {
        SourceTable {
            id: self.id.clone(),
            package: self.package.clone(),
            relation: self.relation.clone(),
            quoting: self.quoting,
            event_time: self.settings.text("event_time"),
            is_enabled: self.is_enabled,
        }
    }
}

/// Reads the sources of all packages.
pub(super) fn read(read: &Read) -> Result<Vec<Source>> {
    let mut found: Vec<Source> = Vec::new();
    for entry in read.properties.of("sources") {
        let shown = format!("{}: source {}", read.place_of(entry), entry.name);
        let package = read.package(&entry.package).ok_or_else(|| wrong(&shown, "its package is gone"))?;
        let render = |value: &Json| {
            super::super::reading::rendered(value, &shown, &|text, shown| read.render(&entry.package, text, shown))
        };
        let text = |map: &Map<String, Json>, key: &str| -> Result<Option<String>> {
            let rendered = map.get(key).filter(|v| !v.is_null()).map(render).transpose()?;
            Ok(rendered.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
        };
        let schema = text(&entry.map, "schema")?.unwrap_or_else(|| entry.name.clone());
        let database = text(&entry.map, "database")?.filter(|d| !d.is_empty());
        let database = database.unwrap_or_else(|| read.setting.database.clone());
        let tables = entry.map.get("tables").and_then(Json::as_array).cloned().unwrap_or_default();
        for (at, table) in tables.iter().enumerate() {
            let Json::Object(table) = table else {
                return Err(wrong(&shown, format!("table {} is no map with a name", at + 1)));
            };
            let name = table.get("name").and_then(Json::as_str).filter(|n| !n.is_empty());
            let name = name.ok_or_else(|| wrong(&shown, format!("table {} has no name", at + 1)))?;
            let relation = Relation {
                database: database.clone(),
                schema: schema.clone(),
                name: text(table, "identifier")?.unwrap_or_else(|| name.to_owned()),
            };
            let mut fqn = super::place::folders(package, &entry.file);
            fqn.extend([entry.name.clone(), name.to_owned()]);
            let mut settings = Settings::default();
            let of_tree = |text: &str, shown: &str| read.render(&entry.package, text, shown);
            if package.name != read.own().name {
                package.configure("sources", &fqn, &mut settings, &of_tree)?;
            }
            read.own().configure("sources", &fqn, &mut settings, &of_tree)?;
            for map in [&entry.map, table] {
                for key in ["tags", "meta"] {
                    if let Some(value) = map.get(key) {
                        settings.set(key, value.clone());
                    }
                }
                if let Some(Json::Object(config)) = map.get("config").map(render).transpose()? {
                    settings.merge(&config);
                }
            }
            let of = |key: &str| {
                let of_map = |map: &Map<String, Json>| map.get(key).cloned();
                of_map(table).or_else(|| settings.get(key).cloned()).or_else(|| of_map(&entry.map))
            };
            let id = format!("source.{}.{}.{name}", entry.package, entry.name);
            if let Some(twin) = found.iter().find(|known| known.id == id) {
                let first = read
                    .properties
                    .of("sources")
                    .iter()
                    .find(|e| e.package == twin.package && e.file == twin.file && e.at.1 == twin.at.0);
                let place = first.map_or_else(|| twin.file.clone(), |first| read.place_of(first));
                let what = format!("source {}: table '{name}' is described in {place} already", entry.name);
                return Err(read.wrong_in(entry, &[Step::Key("tables".to_owned()), Step::Item(at)], what));
            }
            let quoting = [&entry.map, table].into_iter().filter_map(|map| map.get("quoting"));
            let described = |map: &Map<String, Json>| -> Result<String> {
                read.described(
                    &entry.package,
                    map.get("description").and_then(Json::as_str).unwrap_or_default(),
                    &shown,
                )
            };
            let listed = table.get("columns").and_then(Json::as_array).into_iter().flatten();
            let mut columns: Vec<Map<String, Json>> = listed.filter_map(|c| c.as_object().cloned()).collect();
            for column in columns.iter_mut().filter(|column| column.contains_key("description")) {
                let text = described(column)?;
                column.insert("description".to_owned(), text.into());
            }
            found.push(Source {
                id,
                package: entry.package.clone(),
                file: entry.file.clone(),
                source: entry.name.clone(),
                name: name.to_owned(),
                relation,
                quoting: quoting.fold(read.own().quoting(), Policy::said),
                is_enabled: settings.flag("enabled") != Some(false),
                description: described(table)?,
                source_description: described(&entry.map)?,
                columns,
                at: (entry.at.1, at),
                loader: text(table, "loader")?.or(text(&entry.map, "loader")?).unwrap_or_default(),
                loaded_at: of("loaded_at_field").and_then(|v| v.as_str().map(str::to_owned)),
                loaded_at_query: of("loaded_at_query").and_then(|v| v.as_str().map(str::to_owned)),
                freshness: freshness(&entry.map, table, &settings),
                settings,
                fqn,
            });
        }
    }
    Ok(found)
}

/// The nearer says more; null says that there is none.
fn freshness(source: &Map<String, Json>, table: &Map<String, Json>, settings: &Settings) -> Option<Json> {
    let mut merged = Map::new();
    let of_config = |map: &'_ Map<String, Json>| map.get("config").and_then(|config| config.get("freshness")).cloned();
    // What only the project's tree says is farthest.
    let of_tree = settings.get("freshness").cloned().filter(|_| [source, table].iter().all(|m| of_config(m).is_none()));
    let given = [
        of_tree,
        source.get("freshness").cloned(),
        of_config(source),
        table.get("freshness").cloned(),
        of_config(table),
    ];
    for given in given.into_iter().flatten() {
        match given {
            Json::Null => merged = Map::new(),
            Json::Object(map) => merged.extend(map),
            _ => {}
        }
    }
    (!merged.is_empty()).then_some(Json::Object(merged))
}

/// The tags of a column.
pub(super) fn tags_of(column: &Map<String, Json>) -> Vec<String> {
    let of = |map: Option<&Json>| map.map(texts).unwrap_or_default();
    let mut tags = of(column.get("tags"));
    tags.extend(of(column.get("config").and_then(|config| config.get("tags"))));
    tags
}
