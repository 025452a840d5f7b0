//! The server, the generated projects, and the programs that work on them.

use super::{
    super::{
        Result,
        measure::{Measured, run},
        places::ROOT,
    },
    Pair,
};
use amalgam::demo::servers::{Kind, Options, Server};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Both tools build and test so many nodes at once.
const THREADS: usize = 4;
/// The schema of the models.
const SCHEMA: &str = "bench";

/// Who works.
#[derive(Clone, Copy)]
pub(super) enum Tool {
    Ours,
    Dbt,
}

impl Tool {
    /// The target of the profile, and the database.
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Dbt => "theirs",
        }
    }
}

/// A generated project: for each tool a copy, since both write into it.
pub(super) struct Project {
    name: &'static str,
}

/// A server, for as long as this lives, and a folder.
pub(super) struct Ground {
    folder: PathBuf,
    warehouse: Server,
    dbt: Option<PathBuf>,
}

impl Ground {
    /// Starts the server.
    pub(super) fn start(dbt: Option<PathBuf>) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("amalgam-bench-models-{}", std::process::id()));
        println!("starting a server");
        let flags = ["-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"].map(str::to_owned).to_vec();
        let options = Options { flags, ..Options::throw_away(folder.join("postgres")) };
        let warehouse = Server::start(Kind::PostgreSql, &options)?;
        let output = |tool: Tool| {
            format!(
                "    {}: {{type: postgres, host: 127.0.0.1, port: {}, user: amalgam, password: none, dbname: {}, \
                 schema: {SCHEMA}, threads: {THREADS}}}\n",
                tool.name(),
                warehouse.port(),
                tool.name()
            )
        };
        let profile = format!("default:\n  target: ours\n  outputs:\n{}{}", output(Tool::Ours), output(Tool::Dbt));
        std::fs::create_dir_all(folder.join("profile"))?;
        std::fs::write(folder.join("profile/profiles.yml"), profile)?;
        Ok(Self { folder, warehouse, dbt })
    }

    /// A folder that goes with the server.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Which dbt it is.
    pub(super) fn dbt_version(&self) -> Result<Option<String>> {
        let Some(dbt) = &self.dbt else { return Ok(None) };
        let said = run(Command::new(dbt).args(["--version"]))?;
        let version = |of: &str| {
            let lines = said.lines().filter_map(|line| line.trim().strip_prefix(of));
            lines.filter_map(|line| line.split_whitespace().next()).next().unwrap_or("?").to_owned()
        };
        Ok(Some(format!("dbt-core {}, dbt-postgres {}", version("- installed:"), version("- postgres:"))))
    }

    /// Has a project written, once for each tool.
    pub(super) fn project(&self, name: &'static str) -> Result<Project> {
        println!("writing the {name} project");
        let project = Project { name };
        for tool in [Tool::Ours, Tool::Dbt] {
            let program = Path::new(ROOT).join("benches/models/generate");
            run(Command::new("python3").arg(program).arg(name).arg(self.root(&project, tool)))?;
        }
        Ok(project)
    }

    fn root(&self, project: &Project, tool: Tool) -> PathBuf {
        self.folder.join(tool.name()).join(project.name)
    }

    /// Where a tool leaves what it made of a project.
    pub(super) fn target(&self, project: &Project, tool: Tool) -> PathBuf {
        self.root(project, tool).join("target")
    }

    /// Takes away what earlier commands left beside a project.
    pub(super) fn forget(&self, project: &Project, tool: Tool) -> Result<()> {
        match std::fs::remove_dir_all(self.target(project, tool)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Adds a line to the first model.
    pub(super) fn edit(&self, project: &Project, tool: Tool) -> Result<()> {
        let files = std::fs::read_dir(self.root(project, tool).join("models/staging"))?;
        let files: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<std::io::Result<_>>()?;
        let model = files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "sql")).min();
        let model = model.ok_or("the project has no model to edit")?;
        let edited = std::fs::read_to_string(model)? + "\n-- edited";
        Ok(std::fs::write(model, edited)?)
    }

    /// Does the same by both, where there are both: we first.
    pub(super) fn both(&self, work: impl Fn(Tool) -> Result<Measured>) -> Result<Pair> {
        let ours = work(Tool::Ours)?;
        let theirs = self.dbt.is_some().then(|| work(Tool::Dbt)).transpose()?;
        Ok(Pair { ours, theirs })
    }

    /// A command of dbt's on a project. `theirs`: what only dbt is given.
    pub(super) fn command(&self, tool: Tool, project: &Project, verb: &[&str], theirs: &[&str]) -> Result<Command> {
        let mut command = match tool {
            Tool::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_amalgam"));
                command.args(["--format=json", "--log-filter=error", "models"]).args(verb);
                // They are settings to the program, and it refuses those that it does not know.
                for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AMALGAM_"))
                {
                    command.env_remove(name);
                }
                command
            }
            Tool::Dbt => {
                let mut command = Command::new(self.dbt.as_ref().ok_or("there is no dbt")?);
                command.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false").args(verb).args(theirs);
                command
            }
        };
        let root = self.root(project, tool);
        command.current_dir(&root).arg("--project-dir").arg(&root);
        command.arg("--profiles-dir").arg(self.folder.join("profile")).args(["--target", tool.name()]);
        Ok(command)
    }

    /// An empty database for each tool.
    pub(super) fn fresh_databases(&self) -> Result<()> {
        for tool in [Tool::Ours, Tool::Dbt] {
            let name = tool.name();
            self.sql("postgres", &format!("drop database if exists {name}"))?;
            self.sql("postgres", &format!("create database {name} template template0"))?;
        }
        self.sql("postgres", "checkpoint")?;
        // What the one before has left to the disk is not the next one's to wait for.
        run(&mut Command::new("sync"))?;
        Ok(())
    }

    fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let url = format!("postgresql://amalgam@127.0.0.1:{}/{database}", self.warehouse.port());
        run(Command::new("psql").args(["-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql, &url]))
    }

    /// Refuses relations or rows that differ between the databases.
    pub(super) fn same_rows(&self) -> Result<()> {
        if self.dbt.is_none() {
            return Ok(());
        }
        let digests = |tool: Tool| {
            let relations = self.sql(tool.name(), &format!(
                "select format('select %L, %L, count(*), md5(string_agg(r::text, chr(10) order by r::text)) from %s r', \
                 c.relname, c.relkind, c.oid::regclass) from pg_class c \
                 where c.relnamespace = '{SCHEMA}'::regnamespace and c.relkind in ('r', 'v', 'm') order by c.relname"
            ))?;
            let statement = relations.trim().lines().collect::<Vec<_>>().join(" union all ");
            self.sql(tool.name(), &format!("select * from ({statement}) as every order by 1"))
        };
        let (ours, theirs) = (digests(Tool::Ours)?, digests(Tool::Dbt)?);
        let differing = ours.lines().zip(theirs.lines()).find(|(our, their)| our != their);
        match differing {
            _ if ours == theirs => Ok(()),
            Some((our, their)) => Err(format!("what was built differs: {our} by us, {their} by dbt").into()),
            None => Err("what was built differs: one has more relations than the other".into()),
        }
    }
}
