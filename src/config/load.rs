//! Loads and merges the configuration.
//!
//! From the lowest to the highest: defaults, systemd credentials, files, plain environment names
//! (`DB_HOST`), `AMALGAM_…` environment, `--set`. All problems are reported together.

use super::{
    Config,
    expand::{credentials, expand, notifiers_credentials},
    extract::extract,
    keys::{Keys, Shape, flatten, nearest},
    origin::{Layer, Origin},
    problem::{Problem, unreadable},
};
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
    value::{Dict, Value},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

pub use super::problem::Error;

/// Looked for where no file is named; the first that exists is read.
pub const USUAL_FILES: [&str; 2] = ["config/amalgam.toml", "/etc/amalgam/amalgam.toml"];

/// Names of the environment that are understood besides `AMALGAM_…`, and the keys they set.
pub const PLAIN_NAMES: [(&str, &str); 10] = [
    ("DB_HOST", "source.host"),
    ("DB_PORT", "source.port"),
    ("DB_NAME", "source.database"),
    ("DB_USER", "source.user"),
    ("DB_PASSWORD", "source.password"),
    ("ETL_BATCH_SIZE", "source.range_rows"),
    ("ETL_PARALLEL_WORKERS", "sync.parallel_tables"),
    ("ETL_TIMEOUT_MINUTES", "sync.timeout_minutes"),
    ("DBT_TARGET", "models.target"),
    ("DBT_PROFILE", "models.profile"),
];

const PREFIX: &str = "AMALGAM_";
/// `AMALGAM_…` names that set no key.
const NO_KEYS: [&str; 4] = ["AMALGAM_CONFIG", "AMALGAM_TEST_", "AMALGAM_BENCH_", "AMALGAM_DEMO_"];

/// Where the configuration is looked for.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files, the later above the earlier.
    pub files: Vec<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The folder of systemd's credentials.
    pub credentials: Option<PathBuf>,
    /// `key=value` of `--set`.
    pub overrides: Vec<String>,
}

impl Sources {
    /// The process's environment, and the files named there, or else the usual file.
    pub fn from_process() -> Self {
        let environment: BTreeMap<String, String> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let files = match environment.get("AMALGAM_CONFIG").filter(|path| !path.is_empty()) {
            Some(path) => vec![PathBuf::from(path)],
            None => USUAL_FILES.iter().map(PathBuf::from).find(|path| path.exists()).into_iter().collect(),
        };
        let credentials = environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self { files, environment, credentials, overrides: Vec::new() }
    }
}

/// A configuration, and where each value came from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, checked.
    pub config: Config,
    origins: Origins,
}

/// One key of the configuration as it is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// The key, with its full path.
    pub key: String,
    /// Its value; secrets are stars.
    pub value: serde_json::Value,
    /// Where it came from.
    pub origin: String,
}

impl Loaded {
    /// Every key in force, secrets masked.
    pub fn settings(&self) -> Vec<Setting> {
        let config = serde_json::to_value(&self.config).expect("a configuration is JSON");
        let setting = |(key, value): (String, _)| {
            let origin = self.origins.of(&key).unwrap_or_else(|| "default".to_owned());
            Setting { key, value, origin }
        };
        flatten(&config).into_iter().map(setting).collect()
    }
}

/// Loads, merges and checks.
///
/// # Errors
/// Everything that is wrong, in one error.
pub fn load(sources: &Sources) -> Result<Config, Error> {
    load_with_origins(sources).map(|loaded| loaded.config)
}

/// Loads, merges and checks, and keeps where each value came from.
///
/// # Errors
/// Everything that is wrong, in one error.
pub fn load_with_origins(sources: &Sources) -> Result<Loaded, Error> {
    let keys = Keys::new();
    let mut problems = Vec::new();
    let mut layers = sources.credentials.as_deref().map_or_else(Vec::new, |dir| credentials(dir, &mut problems));
    layers.extend(sources.files.iter().filter_map(|path| file(path, &mut problems)));
    layers.extend(plain_variables(&sources.environment, &keys));
    layers.extend(prefixed_variables(&sources.environment, &keys));
    layers.extend(sources.overrides.iter().filter_map(|item| flag(item, &keys, &mut problems)));

    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    for layer in &mut layers {
        let unknown = keys.remove_unknown(&mut layer.values);
        problems.extend(unknown.iter().map(|path| unknown_key(path, &layer.origin, &keys)));
        expand(layer, &mut problems);
        figment = figment.merge(&*layer);
    }
    let mut config = extract(figment.clone(), &mut problems);
    let origins = Origins { figment, layers };
    if let (Some(config), Some(directory)) = (&mut config, &sources.credentials) {
        notifiers_credentials(directory, &mut config.notify, &mut problems);
    }
    if let Some(config) = &mut config {
        // What stands in the place of a wrong value is not the operator's.
        let told: BTreeSet<String> = problems.iter().map(|problem| problem.key.clone()).collect();
        let wrong = config.parse().into_iter().chain(config.check());
        problems.extend(wrong.filter(|problem| !told.contains(&problem.key)));
    }
    let placed = |problem: Problem| match problem.origin.is_none().then(|| origins.of(&problem.key)).flatten() {
        Some(origin) => problem.at(origin),
        None => problem,
    };
    let problems: Vec<Problem> = problems.into_iter().map(placed).collect();
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, origins }),
        _ => Err(Error::new(problems)),
    }
}

/// The merged values and the layers they came from.
#[derive(Debug)]
struct Origins {
    figment: Figment,
    layers: Vec<Layer>,
}

impl Origins {
    /// Where the value of a key came from; `None` for a default.
    fn of(&self, key: &str) -> Option<String> {
        // figment doesn't look into lists: an element comes from where its list does.
        let list = key.split('.').take_while(|part| part.parse::<usize>().is_err()).collect::<Vec<_>>().join(".");
        let metadata = self.figment.find_metadata(&list)?;
        let layer = self.layers.iter().find(|layer| layer.origin.to_string() == metadata.name)?;
        Some(layer.origin.of_key(key))
    }
}

fn file(path: &Path, problems: &mut Vec<Problem>) -> Option<Layer> {
    let name = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let cause = format!("can't be read: {}", unreadable(&error));
            problems.push(Problem::new(name, cause, "name a file that this user may read, in UTF-8"));
            return None;
        }
    };
    match Toml::from_str::<Dict>(&text) {
        Ok(values) => Some(Layer { origin: Origin::File(path.to_owned(), text), values }),
        Err(error) => {
            // The message alone: the error's full text quotes the line, which may hold a password.
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            let cause = format!("is no TOML: {}", error.message().replace('\n', ", "));
            problems.push(Problem::new(format!("{name}, line {line}"), cause, "texts stand in quotes: key = \"text\""));
            None
        }
    }
}

fn plain_variables<'a>(
    environment: &'a BTreeMap<String, String>,
    keys: &'a Keys,
) -> impl Iterator<Item = Layer> + use<'a> {
    PLAIN_NAMES.iter().filter_map(|(name, key)| {
        let text = environment.get(*name).filter(|text| !text.is_empty())?;
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let values = nest(&path, value(text, keys.shape(&path)));
        Some(Layer { origin: Origin::Variable((*name).to_owned()), values })
    })
}

fn prefixed_variables(environment: &BTreeMap<String, String>, keys: &Keys) -> Vec<Layer> {
    let mut layers: Vec<(bool, Layer)> = environment
        .iter()
        .filter(|(name, text)| {
            name.starts_with(PREFIX) && !text.is_empty() && !NO_KEYS.iter().any(|other| name.starts_with(other))
        })
        .map(|(name, text)| {
            let path = path_of_variable(&name[PREFIX.len()..]);
            let is_url = path.last().is_some_and(|key| key.starts_with("url"));
            let values = nest(&path, value(text, keys.shape(&path)));
            (!is_url, Layer { origin: Origin::Variable(name.clone()), values })
        })
        .collect();
    // URLs first: a host beside it stands above the URL's.
    layers.sort_by_key(|(single, _)| *single);
    layers.into_iter().map(|(_, layer)| layer).collect()
}

/// `SOURCE__HOST` -> source, host. Names of tables and of models' variables keep their case.
fn path_of_variable(name: &str) -> Vec<String> {
    let mut path: Vec<String> = name.split("__").map(str::to_owned).collect();
    for (index, part) in path.clone().iter().enumerate() {
        let chosen_freely = match index {
            1 => path[0] == "tables",
            2 => path[0] == "models" && path[1] == "vars",
            _ => false,
        };
        if !chosen_freely {
            path[index] = part.to_lowercase();
        }
    }
    path
}

fn flag(item: &str, keys: &Keys, problems: &mut Vec<Problem>) -> Option<Layer> {
    let Some((key, text)) = item.split_once('=') else {
        problems.push(Problem::new("--set", "has no `=`", "write --set source.host=db.clinic.lan"));
        return None;
    };
    let path: Vec<String> = key.trim().split('.').map(str::to_owned).collect();
    let values = nest(&path, value(text, keys.shape(&path)));
    Some(Layer { origin: Origin::Flag(key.trim().to_owned()), values })
}

/// Reads a text of the environment as the key wants it. A password of digits stays a text.
fn value(text: &str, shape: Option<Shape>) -> Value {
    let parsed = || text.parse::<Value>().expect("parsing a value never fails");
    match shape {
        Some(Shape::Text) | None => text.into(),
        Some(Shape::List) if !text.trim_start().starts_with('[') => {
            text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(Value::from).collect::<Vec<_>>().into()
        }
        Some(_) => parsed(),
    }
}

fn nest(path: &[String], value: Value) -> Dict {
    let (first, rest) = path.split_first().expect("splitting a text gives at least one part");
    let value = if rest.is_empty() { value } else { nest(rest, value).into() };
    Dict::from([(first.clone(), value)])
}

fn unknown_key(path: &[String], origin: &Origin, keys: &Keys) -> Problem {
    let remedy = match origin {
        Origin::Variable(name) => {
            let names: Vec<String> = keys.all().iter().map(|key| variable_of(key)).collect();
            match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => keys.suggest(path),
            }
        }
        _ => keys.suggest(path),
    };
    let key = path.join(".");
    let origin = origin.of_key(&key);
    Problem::new(key, "there is no such key", remedy).at(origin)
}

/// The environment variable that sets a key.
fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}
