//! One of the two programs, taking a project through its phases in an empty database.
//!
//! Both get a database of the same name, one after the other: what a project writes down of its target is equal.

use super::{
    artifacts,
    project::{self, Phase, Project},
    relations,
};
use crate::harness::{self, connect_warehouse};
use amalgam::demo::servers::{Kind, Server};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    time::Duration,
};

/// How long one command may take.
const COMMAND_SECONDS_MAX: u64 = 900;
/// Lines of a command's output that are shown where something differs.
const LINES_SHOWN: usize = 25;

/// Verbs that build.
const BUILDING: &[&str] = &["build", "run", "seed", "snapshot"];

/// What was seen, by place.
pub(super) type Seen = BTreeMap<String, String>;

/// Who builds.
pub(super) enum Program {
    Dbt(PathBuf),
    Amalgam,
}

impl Program {
    /// Who is compared with the oracle: Amalgam, or any dbt that `AMALGAM_DIFFERENTIAL_SUBJECT` names. The
    /// oracle itself shows which projects come out otherwise each time.
    pub(super) fn subject() -> Self {
        std::env::var_os("AMALGAM_DIFFERENTIAL_SUBJECT").map_or(Self::Amalgam, |dbt| Self::Dbt(dbt.into()))
    }

    pub(super) fn is_amalgam(&self) -> bool {
        matches!(self, Self::Amalgam)
    }

    fn name(&self) -> &'static str {
        if self.is_amalgam() { "amalgam" } else { "dbt" }
    }

    /// The command line up to the verb.
    fn command(&self) -> tokio::process::Command {
        match self {
            Self::Dbt(path) => {
                let mut command = tokio::process::Command::new(path);
                command.args(["--no-use-colors", "--no-version-check"]);
                command
            }
            Self::Amalgam => {
                let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_amalgam"));
                command.arg("models");
                command
            }
        }
    }
}

/// What a program has left behind.
pub(super) struct Side {
    pub(super) seen: Seen,
    outputs: Vec<String>,
}

impl Side {
    /// Takes the project through all its phases. `dbt` fetches its packages, for both.
    pub(super) async fn run(program: &Program, project: &Project, dbt: &Path) -> Self {
        let files = tempfile::tempdir().expect("a temporary folder can be made");
        let root = project.copy_to(&files.path().join("project"));
        let port = tokio::task::spawn_blocking(server).await.expect("PostgreSQL starts").port();
        let database = format!("differential_{}", project.name().replace('-', "_").to_lowercase());
        let (client, _connection) = connect_warehouse(port, "postgres").await;
        for sql in [
            format!("drop database if exists \"{database}\" with (force)"),
            format!("create database \"{database}\" template template0"),
        ] {
            client.batch_execute(&sql).await.expect("a database can be made");
        }
        if let Some(sql) = project.setup() {
            let (client, _connection) = connect_warehouse(port, &database).await;
            client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{}: {error:?}", project.name()));
        }
        project.write_profile(&root, &files.path().join("profiles"), port, &database);
        let mut run = Run { program, project, root: &root, profiles: files.path().join("profiles"), outputs: vec![] };
        let has_packages = ["packages.yml", "dependencies.yml"].iter().any(|file| root.join(file).exists());
        if has_packages && !root.join("dbt_packages").exists() {
            run.packages(dbt).await;
        }
        let mut seen = Seen::new();
        for (number, phase) in project.phases().iter().enumerate() {
            run.phase(number, phase, &mut seen).await;
            let (client, _connection) = connect_warehouse(port, &database).await;
            relations::look(&client, project, &format!("[{number}]"), &mut seen).await;
        }
        Self { seen, outputs: run.outputs.into_iter().map(|text| format!("{}: {text}", program.name())).collect() }
    }

    /// How the commands ended, for whoever looks for a cause.
    pub(super) fn told(&self) -> String {
        self.outputs.join("\n")
    }
}

struct Run<'a> {
    program: &'a Program,
    project: &'a Project,
    root: &'a Path,
    profiles: PathBuf,
    outputs: Vec<String>,
}

impl Run<'_> {
    async fn packages(&mut self, dbt: &Path) {
        let mut command = Program::Dbt(dbt.to_owned()).command();
        let (_, status) = self.wait(command.arg("deps")).await;
        assert_eq!(status, "0", "{}: dbt deps: {:?}", self.project.name(), self.outputs);
    }

    async fn phase(&mut self, number: usize, phase: &Phase, seen: &mut Seen) {
        if let Some(overlay) = &phase.overlay {
            project::copy(&self.root.join(overlay), self.root);
        }
        for text in &phase.run {
            let place = format!("[{number}] {text}");
            artifacts::forget(self.root);
            let words = project::words(text);
            let mut command = self.program.command();
            let is_listing = words.first().is_some_and(|word| word == "ls");
            if is_listing && !self.program.is_amalgam() {
                command.arg("--quiet");
            }
            command.args(&words);
            // dbt does everything again each time.
            if self.program.is_amalgam() && BUILDING.contains(&words[0].as_str()) {
                command.arg("--always");
            }
            let (output, status) = self.wait(&mut command).await;
            seen.insert(format!("{place}: exit status"), status);
            if is_listing {
                seen.insert(format!("{place}: lines"), artifacts::listed(&output));
            }
            artifacts::read(self.root, &place, seen);
        }
        artifacts::read_manifest(self.root, &format!("[{number}]"), seen);
    }

    async fn wait(&mut self, command: &mut tokio::process::Command) -> (String, String) {
        // What steers this suite is no configuration of the program.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AMALGAM_")) {
            command.env_remove(name);
        }
        command
            .arg("--project-dir")
            .arg(self.root)
            .arg("--profiles-dir")
            .arg(&self.profiles)
            .args(["--target", "postgres"])
            .current_dir(self.root)
            .envs([("DBT_SEND_ANONYMOUS_USAGE_STATS", "false"), ("PYTHONHASHSEED", "0"), ("TZ", "UTC")])
            .envs(self.project.env())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let limit = Duration::from_secs(COMMAND_SECONDS_MAX);
        let output = tokio::time::timeout(limit, command.output())
            .await
            .unwrap_or_else(|_| panic!("{}: not within {COMMAND_SECONDS_MAX} s: {command:?}", self.project.name()))
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        let status = output.status.code().map_or_else(|| "killed".to_owned(), |code| code.to_string());
        let lines: Vec<&str> = told.lines().chain(errors.lines()).collect();
        let tail = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n  ");
        let arguments: Vec<_> = command.as_std().get_args().map(|word| word.to_string_lossy()).collect();
        self.outputs.push(format!("{} -> {status}\n  {tail}", arguments.join(" ")));
        (told, status)
    }
}

/// The server of this suite. No source is needed.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| harness::start(Kind::PostgreSql, "differential"))
}
