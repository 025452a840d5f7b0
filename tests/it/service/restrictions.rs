//! The real daemon under what its unit restricts, without a systemd to do it.
//!
//! bubblewrap makes the file system read-only but for one folder, hides homes and temporary files, takes
//! devices and capabilities away, and gives a namespace of its own for users and for IPC; the filter of calls
//! is computed from the unit. What is not covered stands in docs/adr/0014.

use super::seccomp;
use crate::{
    daemon::{Daemon, STOP_MAX},
    harness::{Bench, Servers, until},
};
use std::{fs, path::Path, process::Stdio, time::Instant};
use tokio::process::Command;

/// Within the sandbox, these are the only folders that are not the system's.
const WITHIN: &str = "/tmp/amalgam";

/// Whether this machine lets anybody make namespaces; some containers don't.
fn namespaces() -> Result<(), String> {
    let output = std::process::Command::new("bwrap").args(["--ro-bind", "/", "/", "--unshare-user", "true"]).output();
    let output = output.expect("scripts/prerequisites installs bubblewrap");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// A command in the sandbox. `files` is what the service may read and write.
fn sandboxed(files: &Path, command: &[&str]) -> Command {
    let filter = files.join("calls.bpf");
    fs::write(&filter, seccomp::filter()).expect("a file can be written");
    let mut shell = Command::new("sh");
    // The shell only hands over the filter, as a descriptor.
    shell.args(["-c", "filter=$1; shift; exec bwrap \"$@\" 9<\"$filter\"", "sh"]).arg(&filter);
    shell.args("--die-with-parent --unshare-user --uid 990 --gid 990 --unshare-ipc --cap-drop ALL".split(' '));
    shell.args("--ro-bind / / --dev /dev --tmpfs /home --tmpfs /root --tmpfs /tmp".split(' '));
    shell.args(["--ro-bind", env!("CARGO_BIN_EXE_amalgam"), "/tmp/bin/amalgam"]);
    shell.arg("--bind").arg(files).arg(WITHIN);
    shell.args(["--info-fd", "8", "--chdir", WITHIN, "--seccomp", "9", "--"]).args(command);
    shell.kill_on_drop(true);
    shell
}

/// Runs a shell's line in the sandbox; whether it ended well.
async fn succeeds(files: &Path, line: &str) -> bool {
    let mut command = sandboxed(files, &["sh", "-c", line]);
    // Nobody asks for its number.
    command.stdin(Stdio::null()).arg0("sh");
    let output = with_info(command, files).output().await.expect("sh is there");
    output.status.success()
}

/// The descriptor that bubblewrap tells the process's number on.
fn with_info(command: Command, files: &Path) -> Command {
    let inner = command.as_std();
    let mut outer = Command::new("sh");
    outer.args(["-c", "info=$1; shift; exec \"$@\" 8>\"$info\"", "sh"]).arg(files.join("info"));
    outer.arg(inner.get_program()).args(inner.get_args()).kill_on_drop(true);
    outer
}

/// The process within.
fn inner_process(files: &Path) -> u32 {
    let info = fs::read_to_string(files.join("info")).expect("bubblewrap told it");
    let info: serde_json::Value = serde_json::from_str(&info).expect("it is JSON");
    u32::try_from(info["child-pid"].as_u64().expect("a number")).expect("a process's number")
}

fn status_of(process: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}: {text}"));
    line.trim().to_owned()
}

fn signal(process: u32, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_starts_syncs_answers_reloads_and_stops_under_the_restrictions_of_its_unit() {
    if let Err(why) = namespaces() {
        eprintln!("NOT COVERED on this machine: it lets nobody make namespaces, so nothing is restricted ({why})");
        return;
    }
    let bench = Servers::fresh("restricted").await;
    bench.source("create table patient (PatNum bigint primary key); insert into patient values (1), (2)").await;
    let files = bench.files().to_owned();
    // The restrictions are in force: else what follows would show nothing.
    assert!(succeeds(&files, "touch within && rm within && head -c 1 /dev/zero && kill -0 $$").await);
    for line in ["touch /usr/within", "touch /etc/within", "unshare -m true", "mount -t tmpfs x /mnt", "chroot / true"]
    {
        assert!(!succeeds(&files, line).await, "{line}");
    }
    let every_second = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";
    let settings = format!("[http]\nlisten = \"127.0.0.1:0\"\n\n{every_second}");
    let configure = |bench: &Bench, more: &str| drop(bench.amalgam_with(more));
    configure(&bench, &settings);
    let config = format!("{WITHIN}/amalgam.toml");
    let command = sandboxed(&files, &["/tmp/bin/amalgam", "--config", &config, "--log-format", "json", "serve"]);
    let mut command = with_info(command, &files);
    // As the unit hands them over where the administrator gives none.
    fs::write(files.join("source_password"), "\n").expect("a file can be written");
    command.env("CREDENTIALS_DIRECTORY", WITHIN);
    let mut daemon = Daemon::started(command).await;
    let process = inner_process(&files);
    daemon.until_status("/readyz", 200).await;
    for (key, value) in
        [("NoNewPrivs:", "1"), ("Seccomp:", "2"), ("CapEff:", "0000000000000000"), ("CapBnd:", "0000000000000000")]
    {
        assert_eq!(status_of(process, key), value, "{key}");
    }
    until("a table is in step", async || {
        bench.texts("select 1 from pg_tables where schemaname = 'raw' and tablename = 'patient'").await.len() == 1
    })
    .await;
    assert_eq!(bench.text("select count(*) from raw.patient").await, "2");
    configure(&bench, &format!("{settings}\n[retry]\nattempts_max = 7\n"));
    signal(process, "HUP");
    until("it has read its configuration again", || {
        let found = daemon.log().iter().any(|line| line["changed"] == "retry.attempts_max");
        async move { found }
    })
    .await;
    daemon.until_status("/readyz", 200).await;
    let began = Instant::now();
    signal(process, "TERM");
    let ended = daemon.child.wait().await.expect("it ends");
    assert!(ended.success() && began.elapsed() < STOP_MAX, "{ended} after {:?}", began.elapsed());
}
