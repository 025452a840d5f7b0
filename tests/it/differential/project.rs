//! A project that is compared, and the plan of how: `differential.toml`.

use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

/// What is run on a project, phase by phase.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plan {
    /// Where `dbt_project.yml` lies below the folder; beside the plan where not said.
    project: String,
    /// Nodes at once.
    threads: Option<u32>,
    /// The environment of both programs.
    env: BTreeMap<String, String>,
    /// By relation, columns of which only whether they are null is compared: moments and ids of the run.
    masks: BTreeMap<String, Vec<String>>,
    /// One `build` where there is none.
    phase: Vec<Phase>,
}

/// One step; what is in the warehouse is compared after each.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Phase {
    /// A folder of the project whose files are laid over it first.
    pub(super) overlay: Option<String>,
    /// Commands as one would type them behind `dbt`.
    pub(super) run: Vec<String>,
}

/// A folder of somebody's project, never written to.
pub(super) struct Project {
    name: String,
    folder: PathBuf,
    plan: Plan,
}

impl Project {
    /// Reads the plan; where there is none, the project is built once.
    pub(super) fn read(name: &str, folder: &Path, plan: &Path) -> Self {
        let mut plan: Plan = Figment::from(Toml::file(plan)).extract().unwrap_or_else(|e| panic!("{name}: {e}"));
        if plan.phase.is_empty() {
            plan.phase.push(Phase { overlay: None, run: vec!["build".to_owned()] });
        }
        Self { name: name.to_owned(), folder: folder.to_owned(), plan }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn phases(&self) -> &[Phase] {
        &self.plan.phase
    }

    pub(super) fn env(&self) -> &BTreeMap<String, String> {
        &self.plan.env
    }

    /// The masked columns of a relation.
    pub(super) fn masks(&self, relation: &str) -> &[String] {
        self.plan.masks.get(relation).map_or(&[], Vec::as_slice)
    }

    /// SQL that both warehouses hold before anything is run.
    pub(super) fn setup(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.join("setup.sql")).ok()
    }

    /// Copies the whole folder to where one program may write; gives the folder of `dbt_project.yml`.
    pub(super) fn copy_to(&self, target: &Path) -> PathBuf {
        copy(&self.folder, target);
        target.join(&self.plan.project)
    }

    /// Writes a `profiles.yml` with the profile that the project asks for.
    pub(super) fn write_profile(&self, root: &Path, into: &Path, port: u16, database: &str) {
        let text = std::fs::read_to_string(root.join("dbt_project.yml")).expect("a project has a dbt_project.yml");
        let profile = text.lines().find_map(|line| line.strip_prefix("profile:")).expect("the project names a profile");
        let profile = profile.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        let threads = self.plan.threads.unwrap_or(4);
        let text = format!(
            "{profile}:\n  target: postgres\n  outputs:\n    postgres:\n      type: postgres\n      \
             host: 127.0.0.1\n      port: {port}\n      user: amalgam\n      password: ''\n      \
             dbname: {database}\n      schema: analytics\n      threads: {threads}\n"
        );
        std::fs::create_dir_all(into).expect("a folder can be made");
        std::fs::write(into.join("profiles.yml"), text).expect("a file can be written");
    }
}

/// Copies what is in a folder into another, over what is there; links stay links.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    let status = Command::new("cp").arg("-RP").arg(from.join(".")).arg(to).status().expect("cp is there");
    assert!(status.success(), "cp {} {}", from.display(), to.display());
}

/// The words of a command line; single quotes hold words together.
pub(super) fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, piece) in command.split('\'').enumerate() {
        let is_quoted = index % 2 == 1;
        for (at, part) in if is_quoted { vec![piece] } else { piece.split(' ').collect() }.into_iter().enumerate() {
            if at > 0 {
                words.push(String::new());
            }
            words.last_mut().expect("there is one from the start").push_str(part);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn quotes_hold_words_together() {
    assert_eq!(words("build --vars '{day: 3}'  -s a+"), ["build", "--vars", "{day: 3}", "-s", "a+"]);
}
