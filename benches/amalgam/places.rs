//! The private servers, what is in them, and the programs that work on them.

use super::{
    Result,
    measure::{Measured, measured_until, run},
};
use amalgam::demo::servers::{Kind, Options, Server};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

pub(super) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The database of the source.
pub(super) const PRACTICE: &str = "opendental";

/// Two servers and a folder, for as long as this lives.
pub(super) struct Places {
    folder: PathBuf,
    source: Server,
    warehouse: Server,
}

impl Places {
    /// Starts both servers and makes the source.
    pub(super) fn start(scale: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("amalgam-bench-{}", std::process::id()));
        println!("starting servers");
        let start = |kind, name: &str, flags: &[&str]| {
            let flags = flags.iter().map(ToString::to_string).collect();
            Server::start(kind, &Options { flags, ..Options::throw_away(folder.join(name)) })
        };
        let source = start(Kind::MariaDb, "mariadb", &["--key-buffer-size=256M"])?;
        let warehouse = start(Kind::PostgreSql, "postgres", &["-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"])?;
        println!("making a source at scale {scale}");
        let script = Path::new(ROOT).join("tests/opendental/make_source.py");
        run(Command::new("python3").arg(script).arg("--socket").arg(source.socket()).args([
            "--database",
            PRACTICE,
            "--scale",
            scale,
        ]))?;
        Ok(Self { folder, source, warehouse })
    }

    /// A folder that goes with the servers.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// An empty warehouse, so that every round begins alike.
    pub(super) fn fresh_database(&self) -> Result<()> {
        for sql in ["drop database if exists bench", "create database bench template template0", "checkpoint"] {
            run(Command::new("psql").args([
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                sql,
                &self.warehouse_url("postgres"),
            ]))?;
        }
        // What the one before has left to the disk is not the next one's to wait for.
        run(&mut Command::new("sync"))?;
        Ok(())
    }

    /// What a statement at the warehouse answers, a line a row.
    pub(super) fn warehouse(&self, sql: &str) -> Result<String> {
        run(Command::new("psql").args(["-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.warehouse_url("bench")]))
    }

    /// What statements at the source answer, run as root, tabs between columns.
    pub(super) fn source(&self, sql: &str) -> Result<String> {
        let socket = format!("--socket={}", self.source.socket().display());
        run(Command::new("mariadb").args([&*socket, "-u", "root", "-N", "-B", PRACTICE, "-e", sql]))
    }

    /// How many rows the source reads of its tables while something is done (MariaDB KB, "User Statistics").
    pub(super) fn rows_read_during<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
        self.source("set global userstat = 1; flush table_statistics")?;
        let done = work()?;
        let said = self.source(
            "select coalesce(sum(rows_read), 0) from information_schema.table_statistics where table_schema = database(); \
             set global userstat = 0",
        )?;
        Ok((done, said.trim().parse()?))
    }

    /// Where the source listens.
    pub(super) fn source_port(&self) -> u16 {
        self.source.port()
    }

    /// A database of the source, as programs take it that are no part of this.
    pub(super) fn source_url(&self, database: &str) -> String {
        format!("mysql://reader@127.0.0.1:{}/{database}", self.source.port())
    }

    /// A database of the warehouse, likewise.
    pub(super) fn warehouse_url(&self, database: &str) -> String {
        format!("postgresql://amalgam@127.0.0.1:{}/{database}", self.warehouse.port())
    }

    /// How much there is, counted in the warehouse.
    pub(super) fn extent(&self) -> Result<String> {
        let sql = "select format('%s tables, %s rows', count(*), sum(row_count)) from amalgam.table_state";
        Ok(self.warehouse(sql)?.trim().to_owned())
    }

    /// The floor of all tables of a database, two at a time; we take three unless told otherwise.
    pub(super) fn floor(&self, program: &Path, database: &str) -> Command {
        let mut command = Command::new(program);
        command.args([self.source_url(database), self.warehouse_url("bench")]).args(["raw", "2"]);
        command
    }

    /// The program as a user would set it up.
    pub(super) fn amalgam(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amalgam"));
        command.current_dir(&self.folder).env_clear().args([
            "--set=source.host=127.0.0.1",
            "--set=source.user=reader",
            "--set=warehouse.host=127.0.0.1",
            "--set=warehouse.user=amalgam",
            "--set=warehouse.database=bench",
        ]);
        command.arg(format!("--set=source.port={}", self.source.port()));
        command.arg(format!("--set=warehouse.port={}", self.warehouse.port()));
        command
    }

    /// The daemon under a one-minute schedule, until its first run has ended.
    pub(super) fn daemon_until_loaded(&self) -> Result<Measured> {
        let mut command = self.amalgam();
        command.args(["--set=http.listen=127.0.0.1:0", "--log-filter=error", "serve"]);
        let schedule = "[[schedule]]\nname = \"load\"\ncron = \"* * * * *\"\n";
        std::fs::write(self.folder.join("daemon.toml"), schedule)?;
        command.args(["--config", "daemon.toml"]);
        let ended = "select count(*) from amalgam.run where state <> 'running'";
        let mut asked = Instant::now();
        measured_until(&mut command, &mut || {
            // Asked seldom: this is not what is measured.
            if asked.elapsed() < Duration::from_secs(1) {
                return false;
            }
            asked = Instant::now();
            // The schema is not there at first.
            self.warehouse(ended).is_ok_and(|said| said.trim().parse::<u64>().is_ok_and(|n| n > 0))
        })
    }
}

/// Builds the floor; cargo puts it beside its own manifest.
pub(super) fn build_floor() -> Result<PathBuf> {
    let folder = Path::new(ROOT).join("benches/floor");
    let target = folder.join("target");
    println!("building the floor");
    run(Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--locked", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target))?;
    Ok(target.join("release/floor"))
}
