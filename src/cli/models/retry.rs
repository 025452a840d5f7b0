//! The last command once more, for what did not end well in it.

use super::{
    Args,
    arguments::{Place, configured},
    project::{loaded, which},
};
use crate::{
    cli::Context,
    error::{Error, Kind},
};
use clap::{Args as ClapArgs, FromArgMatches};
use serde_json::Value as Json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// How nodes end that are tried again.
const AGAIN: &[&str] = &["error", "fail", "skipped", "runtime error", "partial success"];
/// What can be tried again.
const VERBS: &[&str] = &["build", "run", "seed", "snapshot", "test", "compile"];

#[derive(Debug, ClapArgs)]
pub(super) struct Retried {
    #[command(flatten)]
    place: Place,
    /// Folder with the run_results.json to go by; else the project's target folder
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// The command that the artifact tells of, and the nodes that did not end well in it.
pub(super) fn last(retried: &Retried, context: &Context) -> anyhow::Result<(Args, BTreeSet<String>)> {
    let config = configured(context, &retried.place)?;
    let folder = match &retried.state {
        Some(folder) => folder.clone(),
        None => loaded(context, &config, which("retry", &retried.place))?.target_folder().to_owned(),
    };
    Ok(taken(&folder.join("run_results.json"), &retried.place)?)
}

fn taken(path: &Path, place: &Place) -> Result<(Args, BTreeSet<String>), Error> {
    let wrong = |what: String| Error::new(Kind::Config, format!("{}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let artifact: Json = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let words = words(&artifact["args"], place)
        .ok_or_else(|| wrong(format!("it tells of no command that can be tried again: {}", VERBS.join(", "))))?;
    let command = Args::augment_args(clap::Command::new("amalgam models").no_binary_name(true));
    let matches = command.try_get_matches_from(words).map_err(|error| wrong(error.to_string()))?;
    let args = Args::from_arg_matches(&matches).map_err(|error| wrong(error.to_string()))?;
    let results = artifact["results"].as_array().into_iter().flatten();
    let again = results.filter(|result| result["status"].as_str().is_some_and(|status| AGAIN.contains(&status)));
    Ok((args, again.filter_map(|result| result["unique_id"].as_str()).map(str::to_owned).collect()))
}

/// The command line; what is given now stands above what was given then.
fn words(then: &Json, now: &Place) -> Option<Vec<String>> {
    let verb = then["which"].as_str().filter(|verb| VERBS.contains(verb))?;
    let mut words = vec![verb.to_owned()];
    let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    for (key, now) in [
        ("project_dir", shown(&now.project_dir)),
        ("profiles_dir", shown(&now.profiles_dir)),
        ("profile", now.profile.clone()),
        ("target_path", shown(&now.target_path)),
        ("target", now.target.clone()),
        ("event_time_start", None),
        ("event_time_end", None),
        ("state", None),
        ("defer_state", None),
        ("threads", None),
    ] {
        let then = || match &then[key] {
            Json::Number(number) if verb != "compile" => Some(number.to_string()),
            value => value.as_str().map(str::to_owned),
        };
        let flag = format!("--{}", key.replace('_', "-"));
        words.extend(now.or_else(then).into_iter().flat_map(|value| [flag.clone(), value]));
    }
    let vars = now.vars.as_ref().map(|vars| serde_json::to_value(vars).unwrap_or_default());
    let vars = vars.unwrap_or_else(|| then["vars"].clone());
    if vars.is_object() {
        words.extend(["--vars".to_owned(), vars.to_string()]);
    }
    let options = now.warn_error_options.as_ref().map(|options| serde_json::to_value(options).unwrap_or_default());
    let options = options.unwrap_or_else(|| then["warn_error_options"].clone());
    if now.warn_error || (then["warn_error"] == true && now.warn_error_options.is_none()) {
        words.push("--warn-error".to_owned());
    } else if options.is_object() {
        words.extend(["--warn-error-options".to_owned(), options.to_string()]);
    }
    if then["sample"].is_object() {
        words.extend(["--sample".to_owned(), then["sample"].to_string()]);
    }
    for key in ["full_refresh", "always", "empty", "fail_fast", "store_failures", "defer", "favor_state"] {
        if then[key] == true {
            words.push(format!("--{}", key.replace('_', "-")));
        }
    }
    Some(words)
}
