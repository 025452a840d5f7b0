//! `amalgam demo`, the program itself: it comes up, it lives, and it leaves what it was told to leave.

use crate::harness::{folder, until};
use std::{
    net::TcpListener,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long the demo may take to be up; a loaded machine builds its few reports slowly.
const UP: Duration = Duration::from_secs(120);

fn demo(folder: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amalgam"));
    // Demos of several tests look for a free port at once: the system gives each its own.
    command.args(["--set", "http.listen=127.0.0.1:0"]);
    command.args(["demo", "--patients", "120", "--rate", "20", "--folder"]).arg(folder).args(flags);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

async fn run(folder: &Path, flags: &[&str]) -> Output {
    timeout(UP, demo(folder, flags).output()).await.expect("the demo ends").expect("the program can be run")
}

/// A demo that is up, and the ports it said it listens on.
async fn up(folder: &Path, flags: &[&str]) -> (Child, Vec<u16>) {
    let mut child = demo(folder, flags).stdout(Stdio::piped()).spawn().expect("the program can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("the output was asked for as a pipe")).lines();
    let mut ports = Vec::new();
    loop {
        let line = timeout(UP, lines.next_line()).await.expect("the demo comes up").expect("its output is text");
        let line = line.expect("the demo goes on");
        let words: Vec<&str> = line.split(' ').collect();
        let flag = words.iter().position(|word| ["-p", "-P"].contains(word));
        ports.extend(flag.map(|place| words[place + 1].parse::<u16>().expect("a port follows its flag")));
        if line.contains("the practice lives") {
            // Kept open: the demo must not see a closed pipe.
            std::mem::forget(lines);
            return (child, ports);
        }
    }
}

async fn until_free(ports: &[u16]) {
    assert_eq!(ports.len(), 2, "the practice and the warehouse");
    until("nothing listens any more", || async {
        ports.iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_thrown_away_builds_its_reports_and_leaves_nothing() {
    let folder = folder("demo-once");
    let output = run(&folder, &["--once", "--throw-away"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("models: succeeded"), "{text}");
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_demo_ends_in_order_and_its_practice_is_there_the_next_time() {
    let folder = folder("demo-kept");
    let (mut child, ports) = up(&folder, &["--keep"]).await;
    let process = child.id().expect("it runs").to_string();
    Command::new("kill").args(["-INT", &process]).status().await.expect("kill can be run");
    let status = timeout(UP, child.wait()).await.expect("the demo ends").expect("a child can be waited for");
    assert!(status.success(), "{status}");
    until_free(&ports).await;
    assert!(folder.join("amalgam.toml").exists());
    let output = run(&folder, &["--once"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("from last time"), "{text}");
    let output = run(&folder, &["--once", "--throw-away"]).await;
    assert!(!output.status.success() && folder.exists(), "what was kept is not thrown away");
    std::fs::remove_dir_all(folder).expect("a kept folder can be removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_killed_demo_that_was_to_be_thrown_away() {
    let folder = folder("demo-killed");
    let (mut child, ports) = up(&folder, &["--throw-away"]).await;
    child.kill().await.expect("a child can be killed");
    until_free(&ports).await;
    until("the folder is gone", || async { !folder.exists() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_demo_killed_while_its_servers_are_made() {
    let folder = folder("demo-making");
    let mut child = demo(&folder, &["--throw-away"]).stdout(Stdio::null()).spawn().expect("the program can be run");
    until("data is being made", || async {
        ["practice", "warehouse"].iter().all(|name| folder.join(name).join("data").exists())
    })
    .await;
    child.kill().await.expect("a child can be killed");
    until("the folder is gone", || async { !folder.exists() }).await;
}
