//! Finds dbt-core 1.10 with dbt-postgres, or makes a virtual environment that has it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// What pip is asked for.
const PACKAGES: [&str; 2] = ["dbt-core==1.10.*", "dbt-postgres<1.11"];

/// The `dbt` that is taken for right.
pub(super) struct Oracle;

impl Oracle {
    /// The program, or nothing, having said why.
    pub(super) async fn get() -> Option<PathBuf> {
        static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let found = tokio::task::spawn_blocking(|| FOUND.get_or_init(find)).await.expect("dbt is found or is not");
        found.as_ref().inspect_err(|why| eprintln!("skipped: {why}")).ok().cloned()
    }
}

fn find() -> Result<PathBuf, String> {
    if let Some(dbt) = std::env::var_os("AMALGAM_DBT") {
        let dbt = std::path::absolute(dbt).expect("a path can be made absolute");
        assert!(dbt.is_file(), "AMALGAM_DBT: there is no {}", dbt.display());
        return Ok(dbt);
    }
    if std::env::var_os("AMALGAM_DIFFERENTIAL").is_none_or(|value| value != "1") {
        return Err("dbt-core is the oracle here, and nobody asked for it; `make differential` does, \
                    or AMALGAM_DBT=/path/of/dbt"
            .to_owned());
    }
    let python = Command::new("python3").args(["-c", "import venv"]).stderr(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        return Err("dbt-core is needed to compare with, and there is no python3 with its module venv".to_owned());
    }
    Ok(environment(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("dbt-1.10")))
}

/// A virtual environment, made once; a half-made one is made anew.
fn environment(folder: &Path) -> PathBuf {
    let (done, dbt) = (folder.join("done"), folder.join("bin/dbt"));
    if !done.exists() {
        eprintln!("making a virtual environment with dbt-core in {}", folder.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES));
        std::fs::write(done, "").expect("the environment's folder can be written");
    }
    dbt
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
