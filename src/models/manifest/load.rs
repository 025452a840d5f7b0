//! From a project's folder to its manifest.

use super::{
    super::{
        builtin,
        context::{
            SAMPLE, Says, Window,
            scope::{Scope, Setting, Subject, Task, lock},
        },
        heed::{Heed, heed},
        jinja::{self, BlockKind, Engine, JinjaError},
        reading::{self, Entry, ProjectFile, Properties, Step, selectors},
        spread::both,
    },
    Manifest, Names, Unused, attach,
    draft::Drafts,
    exposures, generic, place, sources, units, wrong,
};
use crate::error::{Error, Kind, Result};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// The flag that names the target folder.
pub(in crate::models) const TARGET_PATH: &str = "TARGET_PATH";

/// What the command and the configuration say about a project.
#[derive(Debug)]
pub(in crate::models) struct Given {
    /// `target`, as templates see it. No password.
    pub target: Map<String, Json>,
    /// Variables above the project's.
    pub vars: Map<String, Json>,
    /// `flags`.
    pub flags: Map<String, Json>,
    /// The schema of the source's tables.
    pub raw_schema: String,
    /// `invocation_id`.
    pub invocation: String,
    /// When the command began.
    pub now: DateTime<Utc>,
    /// Who hears what templates say.
    pub says: Option<Says>,
}

/// Texts by package and name.
type Docs = BTreeMap<(String, String), String>;

/// What reading finds and parsing needs.
pub(super) struct Read {
    pub packages: Vec<ProjectFile>,
    pub properties: Properties,
    pub docs: Docs,
    pub setting: Arc<Setting>,
    /// Which of a relation's parts macros of the project say.
    pub own_places: BTreeSet<&'static str>,
    /// Warnings that are errors.
    pub raised: Mutex<Vec<Error>>,
}

impl Read {
    /// Tells of something odd, by dbt's name for it; or keeps it as the error that it was asked to be.
    pub(super) fn warn(&self, event: &str, what: String) {
        match heed(&self.setting.flags, event) {
            Heed::Tell => tracing::warn!("{what}"),
            Heed::Ignore => {}
            Heed::Fail => {
                let what = format!("{what} ({event}, an error by --warn-error)");
                lock(&self.raised).push(Error::new(Kind::ModelProject, what));
            }
        }
    }

    /// The project's own file.
    pub(super) fn own(&self) -> &ProjectFile {
        &self.packages[0]
    }

    /// The package of that name.
    pub(super) fn package(&self, name: &str) -> Option<&ProjectFile> {
        self.packages.iter().find(|p| p.name == name)
    }

    /// What is wrong with something that lies below an entry of a properties file.
    pub(super) fn wrong_in(&self, entry: &Entry, below: &[Step], what: impl Display) -> Error {
        let package = self.package(&entry.package).unwrap_or_else(|| self.own());
        let shown = shown(self.own(), package, &entry.file);
        entry.wrong(&package.root, &shown, below, &what.to_string())
    }

    /// File and line of an entry.
    pub(super) fn place_of(&self, entry: &Entry) -> String {
        let package = self.package(&entry.package).unwrap_or_else(|| self.own());
        entry.place(&shown(self.own(), package, &entry.file))
    }

    /// The value of a text in a YAML file of a package.
    pub(super) fn render(&self, package: &str, text: &str, shown: &str) -> Result<Json> {
        let subject = Subject::of_package(package);
        let scope = Scope::new(self.setting.clone(), subject, Task::Parse(Mutex::default()));
        let value =
            self.setting.engine.evaluate(shown, text, scope.globals()).map_err(|e| explained(&e.without_line()))?;
        Ok(jinja::to_json(&value))
    }

    /// A description, its `doc()` looked up. One without any mark of a template is taken letter by letter.
    pub(super) fn described(&self, package: &str, text: &str, shown: &str) -> Result<String> {
        if !["{{", "{%", "{#", "}}", "%}", "#}"].iter().any(|mark| text.contains(mark)) {
            return Ok(text.to_owned());
        }
        super::docs::with_docs(self, package, text, shown)
    }
}

/// As an error of ours.
pub(in crate::models) fn explained(error: &JinjaError) -> Error {
    Error::new(Kind::ModelRender, error.to_string())
}

impl Manifest {
    /// Reads and parses a project.
    ///
    /// # Errors
    /// What is wrong with the project as a whole: its file, a macro, a properties file, two nodes of one name, a cycle.
    pub(in crate::models) fn load(root: &Path, given: Given) -> Result<Self> {
        let read = read(root, given)?;
        let found = sources::read(&read)?;
        let mut drafts = Drafts::default();
        for package in &read.packages {
            drafts.read(&read, package)?;
        }
        drafts.check(&read)?;
        let mut names = Names::new(&read.own().name);
        for (node, is_disabled) in drafts.named() {
            names.add(node, is_disabled);
        }
        for source in found.iter() {
            names.add_source(&source.source, &source.name, source.named());
        }
        let (mut nodes, mut disabled) = drafts.resolved(&read, &names);
        disabled.extend(generic::add(&read, &names, &found, &mut nodes)?);
        let tests = nodes.values_mut().chain(&mut disabled).filter(|node| node.resource == super::Resource::Test);
        tests.for_each(|test| settle_store(&mut test.settings));
        let units = units::add(&read, &names, &mut nodes, &mut disabled)?;
        let (exposures, unused_exposures) = exposures::read(&read, &names)?;
        let (sources, unused_sources): (Vec<_>, Vec<_>) = found.into_iter().partition(|s| s.is_enabled);
        let sources = sources.into_iter().map(|s| (s.id.clone(), s)).collect();
        let attached = attach::attach(&nodes)?;
        let groups = read.properties.of("groups").to_vec();
        let selectors = selectors::read(read.own())?;
        let Read { packages, setting, docs, raised, .. } = read;
        let raised = raised.into_inner().unwrap_or_else(PoisonError::into_inner);
        // They came from several threads.
        if let Some(first) = raised.into_iter().min_by(|a, b| a.context.cmp(&b.context)) {
            return Err(first);
        }
        let unused = Unused { nodes: disabled, sources: unused_sources, exposures: unused_exposures };
        let project = packages.into_iter().next().ok_or_else(|| wrong("dbt_project.yml", "there is no project"))?;
        let (tests, after, dag) = (attached.tests, attached.after, attached.dag);
        let graph = OnceLock::new();
        Ok(Self {
            project,
            setting,
            names,
            nodes,
            sources,
            exposures,
            groups,
            docs,
            selectors,
            unused,
            tests,
            units,
            after,
            dag,
            deferred: BTreeMap::new(),
            graph,
            surroundings: OnceLock::new(),
        })
    }
}

/// Brings both ways together to say whether a test's failures are kept: as what (`store_failures_as`), which stands
/// above whether (`store_failures`).
fn settle_store(settings: &mut reading::Settings) {
    match (settings.text("store_failures_as"), settings.flag("store_failures")) {
        (Some(kind), _) => settings.set("store_failures", (kind != "ephemeral").into()),
        (None, Some(keeps)) => settings.set("store_failures_as", if keeps { "table" } else { "ephemeral" }.into()),
        (None, None) => {}
    }
}

/// The engine with all macros, and the texts of docs.
fn macros(packages: &[ProjectFile], now: DateTime<Utc>) -> Result<(Engine, Docs)> {
    let mut engine = Engine::new(now);
    builtin::add_to(&mut engine)?;
    let mut docs = Docs::new();
    for package in packages {
        let mut add = |file: &reading::File| -> Result<()> {
            let (found, _) = engine
                .add(&package.name, &shown(&packages[0], package, &file.path), &file.text)
                .map_err(|e| explained(&e))?;
            for block in found.iter().filter(|b| b.kind == BlockKind::Docs) {
                docs.insert((package.name.clone(), block.name.clone()), block.body.trim().to_owned());
            }
            Ok(())
        };
        for file in reading::files(package, "macro-paths", &["sql"])? {
            add(&file)?;
        }
        for file in reading::files(package, "test-paths", &["sql"])?.iter().filter(|f| f.below.starts_with("generic/"))
        {
            add(file)?;
        }
        let mut seen = BTreeSet::new();
        for kind in reading::PATHS {
            for file in reading::files(package, kind, &["md"])? {
                if seen.insert(file.path.clone()) {
                    add(&file)?;
                }
            }
        }
    }
    Ok((engine, docs))
}

fn read(root: &Path, given: Given) -> Result<Read> {
    let mut packages = reading::packages(root)?;
    let target = given.flags.get(TARGET_PATH).and_then(Json::as_str).map(Path::new);
    if let Some(own) = packages.first_mut() {
        *own = own.clone().with_target(target);
    }
    let properties = || {
        let mut properties = Properties::default();
        packages.iter().try_for_each(|package| properties.add(package)).map(|()| properties)
    };
    let (properties, macros) = both(properties, || macros(&packages, given.now))?;
    let (engine, docs) = macros?;
    let properties = properties?;
    let own = &packages[0];
    let vars = packages.iter().map(|package| {
        let mut vars = if package.name == own.name { Map::new() } else { package.vars(&package.name, true) };
        vars.extend(own.vars(&package.name, package.name == own.name));
        vars.extend(given.vars.clone());
        (package.name.clone(), vars)
    });
    let text = |key: &str| given.target.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let setting = Arc::new(Setting {
        project: own.name.clone(),
        packages: packages.iter().map(|p| p.name.clone()).collect(),
        vars: vars.collect(),
        dispatch: packages.iter().rev().flat_map(ProjectFile::dispatch).collect(),
        database: text("dbname"),
        schema: text("schema"),
        target: Json::Object(given.target),
        raw_schema: given.raw_schema,
        sample: given.flags.get(SAMPLE).and_then(Window::of_flag),
        flags: own.flags().into_iter().chain(given.flags).collect(),
        invocation: given.invocation,
        says: given.says,
        engine,
    });
    let name = own.name.clone();
    let own_places = place::own(&setting);
    let read = Read { packages, properties, docs, setting, own_places, raised: Mutex::default() };
    // Nobody who runs a project can mend the packages it takes from elsewhere.
    for warning in read.properties.warnings().iter().filter(|warning| warning.package == name) {
        let line = warning.line.map_or_else(String::new, |line| format!(":{line}"));
        read.warn("CustomKeyInObjectDeprecation", format!("{}{line}: {}", warning.file, warning.what));
    }
    Ok(read)
}

/// A file's name as messages show it: seen from the project.
pub(super) fn shown(own: &ProjectFile, package: &ProjectFile, file: &str) -> String {
    if own.name == package.name {
        return file.to_owned();
    }
    let path = package.root.join(file);
    path.strip_prefix(&own.root).unwrap_or(&path).display().to_string()
}
