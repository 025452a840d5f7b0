//! dbt-core is the oracle: the same project, built by dbt-core and by Amalgam, leaves the same behind.
//!
//! Runs where `AMALGAM_DBT` names a dbt, or where `AMALGAM_DIFFERENTIAL=1` (`make differential`) lets it make
//! a virtual environment of its own; else each test says that it is skipped, and why. Beside our own projects,
//! those below the folder `AMALGAM_DBT_PROJECTS` are compared (`scripts/known-projects` fetches the known ones).
//! What differs on purpose is listed in [`accepted`] and in `docs/dbt-compatibility.md`, equally.

mod accepted;
mod artifacts;
mod difference;
mod oracle;
mod project;
mod relations;
mod side;

use oracle::Oracle;
use project::Project;
use side::{Program, Side};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

const OWN: &str = "tests/it/differential/projects";
const KNOWN: &str = "tests/it/differential/known";

/// Builds a project with both and tells what differs and isn't accepted; nothing where all is well.
async fn differences(dbt: &Path, project: &Project) -> String {
    let theirs = Side::run(&Program::Dbt(dbt.to_owned()), project, dbt).await;
    let ours = Side::run(&Program::subject(), project, dbt).await;
    let found = difference::between(&theirs.seen, &ours.seen);
    let accepted = accepted::of(project.name(), Program::subject().is_amalgam());
    let report = difference::report(project.name(), &found, &accepted);
    if report.is_empty() { report } else { format!("{report}\n{}\n{}", theirs.told(), ours.told()) }
}

async fn compare(name: &str, folder: &Path, plan: &Path) {
    let Some(dbt) = Oracle::get().await else { return };
    let project = Project::read(name, folder, plan);
    let report = differences(&dbt, &project).await;
    assert!(report.is_empty(), "{report}");
}

/// One test for each of our own projects.
macro_rules! own_projects {
    ($($name:ident)*) => {
        mod own {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let folder = std::path::Path::new(super::OWN).join(stringify!($name));
                    super::compare(stringify!($name), &folder, &folder.join("differential.toml")).await;
                }
            )*
        }

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

own_projects! {
    config_inheritance
    custom_materialization
    exposures_docs_analyses_selectors
    hooks_operations
    incremental_strategies
    macros_jinja
    materialized_view
    on_schema_change
    packages_local
    publishing
    seeds_types
    snapshots
    sources_freshness
    tests_everything
    unit_tests
    versions_groups_access_contracts
    views_tables_ephemeral
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a folder can be listed").path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn name_of(folder: &Path) -> String {
    folder.file_name().expect("a folder below another has a name").to_string_lossy().into_owned()
}

#[test]
fn every_project_of_our_own_is_compared() {
    let there: BTreeSet<String> = folders(Path::new(OWN)).iter().map(|folder| name_of(folder)).collect();
    assert_eq!(there, NAMES.iter().map(|name| (*name).to_owned()).collect());
    for name in NAMES {
        let folder = Path::new(OWN).join(name);
        let project = Project::read(name, &folder, &folder.join("differential.toml"));
        for command in project.phases().iter().flat_map(|phase| &phase.run) {
            assert!(!project::words(command).is_empty(), "{name}: an empty command");
        }
        for overlay in project.phases().iter().filter_map(|phase| phase.overlay.as_ref()) {
            assert!(folder.join(overlay).is_dir(), "{name}: there is no folder {overlay}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projects_that_were_fetched_come_out_the_same() {
    let Some(root) = std::env::var_os("AMALGAM_DBT_PROJECTS") else {
        eprintln!("skipped: AMALGAM_DBT_PROJECTS names no folder of dbt projects (scripts/known-projects makes one)");
        return;
    };
    let Some(dbt) = Oracle::get().await else { return };
    let mut reports = Vec::new();
    for folder in folders(Path::new(&root)) {
        let name = name_of(&folder);
        let project = Project::read(&name, &folder, &Path::new(KNOWN).join(format!("{name}.toml")));
        eprintln!("comparing {name}");
        reports.push(differences(&dbt, &project).await);
    }
    assert!(!reports.is_empty(), "{} holds no dbt project", Path::new(&root).display());
    reports.retain(|report| !report.is_empty());
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
}
