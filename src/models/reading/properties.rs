//! Properties files: what is said of models, seeds, snapshots, sources, tests, macros and exposures.
//!
//! Gives each entry as it is written, with its place; what it means is the manifest's. As strict as dbt 1.10:
//! [`shape`] says what an entry must look like, this file what its parts must have to do with each other.

use super::{
    super::spread::spread,
    entry::Entry,
    files::files,
    project::{PATHS, ProjectFile},
    shape,
    yaml::{self, Document, Step},
};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Something odd that does no harm.
#[derive(Clone, Debug)]
pub(in crate::models) struct Warning {
    /// The package.
    pub package: String,
    /// The file, relative to the package's root.
    pub file: String,
    /// The line in the file.
    pub line: Option<usize>,
    /// What is odd.
    pub what: String,
}

/// What the properties files of all packages say.
#[derive(Clone, Debug, Default)]
pub(in crate::models) struct Properties {
    /// By top-level key: `models`, `sources`, …
    entries: BTreeMap<&'static str, Vec<Entry>>,
    /// Where things are described that may be only once: by list, package, name and model.
    described: HashMap<(&'static str, String, String, String), String>,
    /// What is odd and does no harm.
    warnings: Vec<Warning>,
}

/// The lists that are read.
const LISTS: &[&str] = &[
    "models",
    "seeds",
    "snapshots",
    "sources",
    "exposures",
    "macros",
    "analyses",
    "unit_tests",
    "groups",
    "data_tests",
    "metrics",
    "semantic_models",
    "saved_queries",
];
/// Keys beside the lists that mean nothing here, and that nobody has to be warned of.
const SILENT: &[&str] = &["version", "tests", "anchors"];
/// Files that a thread is worth, at least.
const FILES_MIN: usize = 16;
/// Keys that mean nothing and are told, at most, in one file.
const ODD_MAX: usize = 20;
/// What may stand in an entry or in its `config`, and not in both.
const IN_ONE_PLACE: &[&str] = &["meta", "docs", "group", "contract", "access"];

impl Properties {
    /// Reads the properties files of a package.
    ///
    /// # Errors
    /// A file is no YAML, or an entry is not as dbt wants it.
    pub(in crate::models) fn add(&mut self, project: &ProjectFile) -> Result<()> {
        let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
        for kind in PATHS {
            for file in files(project, kind, &["yml", "yaml"])? {
                if seen.insert(file.path.clone()) {
                    all.push(file);
                }
            }
        }
        let documents = spread(&all, FILES_MIN, |file| yaml::document(&file.text, &file.path));
        for (file, document) in all.iter().zip(documents) {
            self.take(&project.name, &file.path, &file.text, document?)?;
        }
        Ok(())
    }

    /// Reads one file.
    #[cfg(test)]
    pub(super) fn read(&mut self, package: &str, file: &str, text: &str) -> Result<()> {
        self.take(package, file, text, yaml::document(text, file)?)
    }

    fn take(&mut self, package: &str, file: &str, text: &str, document: Document) -> Result<()> {
        let warning = |line: Option<usize>, what: String| {
            let (package, file) = (package.to_owned(), file.to_owned());
            Warning { package, file, line, what }
        };
        for (key, line) in &document.twice {
            self.warnings.push(warning(Some(*line), format!("'{key}' is said twice; the last counts")));
        }
        let line_of = |list: &str, at: usize| document.line(list, at);
        let lines: BTreeMap<&str, Vec<Option<usize>>> = LISTS
            .iter()
            .map(|list| {
                let count = document.value.get(list).and_then(Value::as_array).map_or(0, Vec::len);
                (*list, (0..count).map(|at| line_of(list, at)).collect())
            })
            .collect();
        let mut top = match document.value {
            Value::Null => return Ok(()),
            Value::Object(top) => top,
            _ => {
                let what = format!("{file}: it is no map with keys such as models and sources");
                return Err(Error::new(Kind::ModelProject, what));
            }
        };
        for (steps, strange) in &document.strange {
            if let [Step::Key(list), Step::Item(at), below @ ..] = steps.as_slice()
                && let Err(misfit) = shape::look_at_strange(list, below, *strange)
            {
                let what = format!("{list}, entry {}, {}: {}", at + 1, misfit.way(), misfit.what);
                if list == "data_tests" {
                    self.warnings.push(warning(yaml::line_of(text, steps), what));
                } else if LISTS.contains(&list.as_str()) {
                    return Err(yaml::wrong(text, file, steps, &what));
                }
            }
        }
        for key in
            top.keys().filter(|key| !LISTS.contains(&key.as_str()) && !SILENT.contains(&key.as_str())).take(ODD_MAX)
        {
            let line = yaml::line_of(text, &[Step::Key(key.clone())]);
            let hint = LISTS.iter().find(|list| strsim::damerau_levenshtein(list, key) <= 2);
            let hint = hint.map_or_else(String::new, |list| format!("; did you mean '{list}'?"));
            self.warnings.push(warning(line, format!("there is no list named '{key}'; it is passed over{hint}")));
        }
        let mut odd = 0;
        for list in LISTS {
            let Some(given) = top.remove(*list) else { continue };
            let first = Step::Key((*list).to_owned());
            let Value::Array(items) = given else {
                let what = format!("'{list}' must be a list, not {}", shape::kind_of(&given));
                if *list == "data_tests" {
                    self.warnings.push(warning(yaml::line_of(text, &[first]), what));
                    continue;
                }
                return Err(yaml::wrong(text, file, &[first], &what));
            };
            for (at, item) in items.into_iter().enumerate() {
                let placed = |name: &str, misfit: &shape::Misfit| {
                    let mut steps = vec![first.clone(), Step::Item(at)];
                    steps.extend(misfit.steps.iter().cloned());
                    let named = if name.is_empty() { String::new() } else { format!(" '{name}'") };
                    let way = misfit.way();
                    let way = if way.is_empty() { way } else { format!(", {way}") };
                    (steps, format!("{list}, entry {}{named}{way}: {}", at + 1, misfit.what))
                };
                let looked_at = match &item {
                    Value::Object(map) => shape::look_at(list, map).and_then(|()| agree(list, map)),
                    _ => Err(shape::Misfit { steps: Vec::new(), what: "it is no map with a name".to_owned() }),
                };
                let name = item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                match looked_at {
                    Ok(()) => {}
                    // dbt passes over what is said of singular tests from the first that is wrong.
                    Err(misfit) if *list == "data_tests" => {
                        let (steps, what) = placed(&name, &misfit);
                        self.warnings.push(warning(yaml::line_of(text, &steps), what));
                        break;
                    }
                    Err(misfit) => {
                        let (steps, what) = placed(&name, &misfit);
                        return Err(yaml::wrong(text, file, &steps, &what));
                    }
                }
                let Value::Object(map) = item else { continue };
                for misfit in shape::odd(list, &map).iter().take(ODD_MAX.saturating_sub(odd)) {
                    let (steps, what) = placed(&name, misfit);
                    self.warnings.push(warning(yaml::line_of(text, &steps), what));
                    odd += 1;
                }
                let line = lines.get(list).and_then(|lines| lines.get(at).copied().flatten());
                let here = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
                if let Some(twin) = self.twin(list, package, &name, &map, &here) {
                    let what = format!("{list}, entry {} '{name}': {twin} describes it already", at + 1);
                    if *list != "macros" {
                        return Err(yaml::wrong(text, file, &[first, Step::Item(at)], &what));
                    }
                    self.warnings.push(warning(line, what));
                }
                let (package, file) = (package.to_owned(), file.to_owned());
                self.entries.entry(list).or_default().push(Entry { package, file, line, at: (list, at), name, map });
            }
        }
        Ok(())
    }

    /// Where the same is said of a thing that may be described only once, whether it is there or not.
    fn twin(
        &mut self,
        list: &'static str,
        package: &str,
        name: &str,
        map: &Map<String, Value>,
        here: &str,
    ) -> Option<String> {
        if !matches!(list, "groups" | "exposures" | "unit_tests" | "macros") {
            return None;
        }
        // Tests of two models may have one name.
        let model = map.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.described.insert((list, package.to_owned(), name.to_owned(), model), here.to_owned())
    }

    /// The entries of a list.
    pub(in crate::models) fn of(&self, list: &str) -> &[Entry] {
        self.entries.get(list).map_or(&[], Vec::as_slice)
    }

    /// What is odd and does no harm.
    pub(in crate::models) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Whether the parts of an entry agree with each other.
fn agree(list: &str, map: &Map<String, Value>) -> Result<(), shape::Misfit> {
    let wrong = |steps: Vec<Step>, what: String| Err(shape::Misfit { steps, what });
    let key = |key: &str| Step::Key(key.to_owned());
    let is_node = matches!(list, "models" | "seeds" | "snapshots" | "analyses" | "data_tests");
    let config = map.get("config").and_then(Value::as_object);
    if is_node
        && let Some(twice) =
            IN_ONE_PLACE.iter().find(|k| map.contains_key(**k) && config.is_some_and(|c| c.contains_key(**k)))
    {
        return wrong(vec![key(twice)], format!("'{twice}' stands here and in 'config'; keep the one in 'config'"));
    }
    one_name_of_tests(map, &[])?;
    for (at, column) in items(map, "columns") {
        one_name_of_tests(column, &[key("columns"), Step::Item(at)])?;
    }
    match list {
        "models" => versions_agree(map),
        "sources" => {
            for (at, table) in std::iter::once((None, map)).chain(items(map, "tables").map(|(at, t)| (Some(at), t))) {
                let mut steps: Vec<Step> = at.into_iter().flat_map(|at| [key("tables"), Step::Item(at)]).collect();
                if table.get("loaded_at_field").and_then(Value::as_str) == Some("") {
                    steps.push(key("loaded_at_field"));
                    return wrong(steps, "it must not be empty".to_owned());
                }
                one_name_of_tests(table, &steps)?;
                for (column_at, column) in items(table, "columns") {
                    let below = [key("columns"), Step::Item(column_at)];
                    one_name_of_tests(column, &[steps.clone(), below.to_vec()].concat())?;
                }
            }
            Ok(())
        }
        "exposures" | "groups" => {
            let owner = map.get("owner").and_then(Value::as_object);
            let is_named = |key: &str| owner.and_then(|o| o.get(key)).is_some_and(|value| !value.is_null());
            if owner.is_some() && !is_named("name") && !is_named("email") {
                return wrong(vec![key("owner")], "it needs a name or an email".to_owned());
            }
            Ok(())
        }
        "unit_tests" => {
            let given = |key: &str| map.get("versions").and_then(|v| v.get(key)).and_then(Value::as_array);
            let has = |key: &str| given(key).is_some_and(|all| !all.is_empty());
            if has("include") && has("exclude") {
                return wrong(vec![key("versions")], "it can't both include and exclude".to_owned());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The maps of a list below a key.
fn items<'a>(map: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = (usize, &'a Map<String, Value>)> {
    let items = map.get(key).and_then(Value::as_array).into_iter().flatten();
    items.enumerate().filter_map(|(at, item)| Some((at, item.as_object()?)))
}

/// Tests stand under their new name or under their old one.
fn one_name_of_tests(map: &Map<String, Value>, steps: &[Step]) -> Result<(), shape::Misfit> {
    let is_old = map.get("tests").and_then(Value::as_array).is_some_and(|tests| !tests.is_empty());
    if is_old && map.contains_key("data_tests") {
        let steps = [steps, &[Step::Key("tests".to_owned())]].concat();
        return Err(shape::Misfit { steps, what: "'tests' and 'data_tests' can't both be here".to_owned() });
    }
    Ok(())
}

fn versions_agree(map: &Map<String, Value>) -> Result<(), shape::Misfit> {
    let wrong = |steps: Vec<Step>, what: String| Err(shape::Misfit { steps, what });
    let key = |key: &str| Step::Key(key.to_owned());
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut seen = BTreeSet::new();
    for (at, version) in items(map, "versions") {
        let steps = vec![key("versions"), Step::Item(at)];
        if let Some(v) = version.get("v").filter(|v| !seen.insert(shown(v))) {
            return wrong(steps, format!("there is a version {} already", shown(v)));
        }
        one_name_of_tests(version, &steps)?;
        let rules = items(version, "columns").filter(|(_, column)| column.contains_key("include")).count();
        if rules > 1 {
            return wrong(
                [steps, vec![key("columns")]].concat(),
                "only one of them can be include and exclude".to_owned(),
            );
        }
        for (at, column) in items(version, "columns") {
            let rule = column.get("include").filter(|_| !column.contains_key("name"));
            let is_all = matches!(rule.and_then(Value::as_str), Some("all" | "*"));
            let excludes = column.get("exclude").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
            let steps = || [steps.clone(), vec![key("columns"), Step::Item(at)]].concat();
            if rule.is_some_and(Value::is_string) && !is_all {
                return wrong(steps(), "include must be all, * or a list of columns".to_owned());
            }
            if rule.is_some() && !is_all && excludes {
                return wrong(steps(), "exclude needs include: all".to_owned());
            }
        }
    }
    // As Python has it: 0 and an empty text say nothing, and 1 is 1.0.
    let says_nothing = |v: &Value| v.is_null() || v.as_f64() == Some(0.0) || v.as_str() == Some("");
    let is_same = |a: &Value, b: &Value| a == b || (a.is_number() && a.as_f64() == b.as_f64());
    let latest = map.get("latest_version").filter(|latest| !says_nothing(latest));
    let is_one = |latest: &Value| {
        items(map, "versions").any(|(_, version)| version.get("v").is_some_and(|v| is_same(v, latest)))
    };
    if let Some(latest) = latest.filter(|latest| !is_one(latest)) {
        let all: Vec<String> = items(map, "versions").filter_map(|(_, v)| v.get("v").map(shown)).collect();
        let all = if all.is_empty() { "there are none".to_owned() } else { format!("they are {}", all.join(", ")) };
        return wrong(vec![key("latest_version")], format!("{} is none of the versions; {all}", shown(latest)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Properties> {
        let mut properties = Properties::default();
        properties.read("p", "models/schema.yml", text).map(|()| properties)
    }

    fn refused(text: &str) -> String {
        read(text).expect_err("dbt refuses it").context
    }

    #[test]
    fn entries_know_their_place() {
        let text = "version: 2\nmodels:\n  - name: a\n  - name: b\nsources:\n  - name: s\n    tables: [{name: t}]\n";
        let read = read(text).expect("good");
        let places: Vec<_> = read.of("models").iter().map(|e| (e.name.as_str(), e.line)).collect();
        assert_eq!(places, [("a", Some(3)), ("b", Some(4))]);
        assert_eq!(read.of("sources")[0].map["tables"][0]["name"], "t");
        assert!(read.of("seeds").is_empty() && read.warnings().is_empty());
    }

    #[test]
    fn strange_keys_and_keys_said_twice_only_warn() {
        let read = read("modles: []\nmodels:\n  - name: a\n    description: x\n    description: y\n    odd: 1\n");
        let read = read.expect("lenient");
        assert_eq!(read.of("models")[0].map["description"], "y");
        let told: Vec<_> = read.warnings().iter().map(|w| (w.line, w.what.as_str())).collect();
        let expected = [
            (Some(5), "'description' is said twice; the last counts"),
            (Some(1), "there is no list named 'modles'; it is passed over; did you mean 'models'?"),
            (Some(6), "models, entry 1 'a', odd: it means nothing here"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_wrong_is_told_with_entry_key_and_line() {
        let text = "models:\n  - name: a\n  - name: b\n    columns:\n      - name: x\n        tags: one\n";
        let told = refused(text);
        let expected =
            "models/schema.yml:6:15: models, entry 2 'b', columns, entry 1, tags: it must be a list, not this text\n";
        assert!(told.starts_with(expected), "{told}");
        assert!(told.contains("\n>    6 |         tags: one"), "{told}");
        assert!(refused("models:\n").contains("'models' must be a list, not empty"));
        assert!(refused("- a\n").contains("no map"));
        assert!(refused("seeds: [a]\n").contains("seeds, entry 1: it is no map with a name"));
        assert!(refused("seeds: [{nme: a}]\n").contains("it has no 'name'"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, told) in [
            ("models: [{name: a, tests: [x], data_tests: []}]", "'tests' and 'data_tests'"),
            ("models: [{name: a, columns: [{name: c, tests: [x], data_tests: [y]}]}]", "columns, entry 1, tests"),
            ("models: [{name: a, meta: {}, config: {meta: {}}}]", "'meta' stands here and in 'config'"),
            ("models: [{name: a, versions: [{v: 1}, {v: '1'}]}]", "there is a version 1 already"),
            ("models: [{name: a, latest_version: 3, versions: [{v: 1}, {v: 2}]}]", "they are 1, 2"),
            ("models: [{name: a, latest_version: '1', versions: [{v: 1}]}]", "none of the versions"),
            ("models: [{name: a, versions: [{v: 1, columns: [{include: all}, {include: []}]}]}]", "only one of them"),
            ("sources: [{name: a, tables: [{name: t, loaded_at_field: ''}]}]", "must not be empty"),
            ("sources: [{name: a, tables: [{name: t, tests: [x], data_tests: []}]}]", "tables, entry 1, tests"),
            ("exposures: [{name: e, type: ml, owner: {slack: x}}]", "a name or an email"),
            (
                "unit_tests: [{name: u, model: m, given: [], expect: {}, versions: {include: [1], exclude: [2]}}]",
                "can't both",
            ),
        ] {
            assert!(refused(text).contains(told), "{}", refused(text));
        }
        assert!(read("models: [{name: a, tests: [], data_tests: [x]}]").is_ok());
    }

    #[test]
    fn what_is_said_wrongly_of_singular_tests_is_passed_over() {
        let text = "data_tests:\n  - name: a\n  - name: b\n    description: 3\n  - name: c\n";
        let found = read(text).expect("only a warning");
        assert_eq!((found.of("data_tests").len(), found.warnings().len()), (1, 1));
        let found = read("data_tests:\n").expect("only a warning");
        assert!(found.warnings()[0].what.contains("'data_tests' must be a list, not empty"));
    }

    #[test]
    fn what_belongs_to_the_semantic_layer_is_kept_as_it_is() {
        let read = read(
            "metrics: [{name: m, label: M, type: simple, type_params: {}}]\nsemantic_models: [{name: s, model: m}]\n",
        )
        .expect("accepted");
        assert_eq!((read.of("metrics").len(), read.of("semantic_models").len()), (1, 1));
    }
}
