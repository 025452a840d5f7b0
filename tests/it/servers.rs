//! The private servers answer, and leave nothing behind.

use crate::harness::{self, Bench, Servers, until};
use amalgam::demo::servers::{Kind, Options, Server, ServerError};
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Set in a process that only holds servers until it is killed.
const HOLDER: &str = "AMALGAM_TEST_HOLDER";

#[tokio::test(flavor = "multi_thread")]
async fn both_servers_answer_and_each_test_has_databases_of_its_own() {
    let first = Servers::fresh("servers_answer").await;
    let second = Servers::fresh("servers_answer").await;
    assert_ne!(first.database(), second.database());
    first.source("create table t (a int primary key); insert into t values (7), (8)").await;
    assert_eq!(first.source_texts("select sum(a) from t").await, [[Some("15".to_owned())]]);
    assert_eq!(second.source_texts("show tables").await, Vec::<Vec<Option<String>>>::new());
    let engine = first
        .source_texts(
            "select engine from information_schema.tables where table_schema = database() and table_name = 't'",
        )
        .await;
    assert_eq!(engine, [[Some("MyISAM".to_owned())]]);
    first.warehouse("create table t as select 7 as a; insert into t values (8)").await;
    assert_eq!(first.text("select sum(a) from t").await, "15");
    assert_eq!(second.text("select count(*) from pg_tables where schemaname = 'public'").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_or_killed_server_comes_back_on_its_port_with_its_data() {
    for kind in [Kind::MariaDb, Kind::PostgreSql] {
        let mut server = harness::start(kind, "restart");
        let (port, folder) = (server.port(), server.folder().to_owned());
        server.stop().expect("it stops");
        drop(TcpListener::bind(("127.0.0.1", port)).expect("nothing listens on a stopped server's port"));
        server.start_again().expect("it starts again");
        server.kill().expect("it can be killed");
        server.start_again().expect("it starts after it was killed");
        assert_eq!(server.port(), port);
        drop(server);
        assert!(!folder.exists(), "a folder to be thrown away goes with its server");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_folder_serves_again_and_one_server_at_a_time() {
    let folder = harness::folder("kept");
    let options = Options::keep(&folder);
    let server = Server::start(Kind::PostgreSql, &options).expect("it starts");
    assert!(folder.join("data").exists());
    drop(server);
    drop(Server::start(Kind::PostgreSql, &options).expect("it starts on what is there"));
    amalgam::demo::servers::remove_folder(&folder).expect("it can be removed");
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_too_deep_for_a_socket_gets_a_short_one() {
    let deep = harness::folder("deep").join("a-rather-long-name-for-a-folder/".repeat(4));
    let server = Server::start(Kind::PostgreSql, &Options::throw_away(&deep)).expect("it starts");
    let socket = server.socket();
    assert!(socket.as_os_str().len() < 80);
    drop(server);
    assert!(!socket.exists() && !deep.exists());
    let top = deep.ancestors().nth(4).expect("the folder is four deep");
    std::fs::remove_dir_all(top).expect("its parents can be removed");
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    let mut options = Options::throw_away(harness::folder("wrong"));
    options.flags = vec!["--no-such-flag".to_owned()];
    // None of those that private servers are given: one of them would answer in its place.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    options.port = Some(free.port());
    let error = Server::start(Kind::MariaDb, &options).expect_err("a wrong flag is refused");
    assert!(matches!(&error, ServerError::Failed { log, .. } if log.contains("no-such-flag")), "{error}");
    assert!(!options.folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_on_servers_of_its_own_outlives_their_stop() {
    let (mut mariadb, mut postgres) = (harness::start(Kind::MariaDb, "own"), harness::start(Kind::PostgreSql, "own"));
    let bench = Bench::on(&mariadb, &postgres).await;
    assert_eq!((bench.config().source.port, bench.config().warehouse.port), (mariadb.port(), postgres.port()));
    bench.source("create table t (a int)").await;
    bench.warehouse("create table t (a int)").await;
    for server in [&mut mariadb, &mut postgres] {
        server.stop().expect("it stops");
        server.start_again().expect("it starts again");
    }
    assert_eq!(bench.source_texts("show tables").await, [[Some("t".to_owned())]]);
    assert_eq!(bench.text("select count(*) from t").await, "0");
    bench.amalgam().output().await.expect("the built program can be run");
    assert!(bench.files().join("amalgam.toml").exists());
}

/// One test, two processes: the second one holds servers and is killed by the first.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_the_servers_of_a_killed_process() {
    if std::env::var_os(HOLDER).is_some() {
        hold_servers();
    }
    let (mut holder, held) = start_holder();
    assert_eq!(held.len(), 2);
    for server in &held {
        assert!(TcpListener::bind(("127.0.0.1", server.port)).is_err(), "the server listens");
        assert!(server.folder.exists());
    }
    holder.kill().expect("a child can be killed");
    holder.wait().expect("a child can be waited for");
    for server in &held {
        until("nothing listens and nothing lies there", || async {
            !server.folder.exists() && TcpListener::bind(("127.0.0.1", server.port)).is_ok()
        })
        .await;
        let process = format!("/proc/{}", server.process);
        assert!(!std::path::Path::new(&process).exists(), "the server has ended");
    }
}

struct Held {
    port: u16,
    process: u32,
    folder: PathBuf,
}

fn hold_servers() -> ! {
    let servers = [harness::start(Kind::MariaDb, "held"), harness::start(Kind::PostgreSql, "held")];
    for server in &servers {
        let process = server.process().expect("it runs");
        println!("\nheld {} {process} {}", server.port(), server.folder().display());
    }
    loop {
        std::thread::park();
    }
}

fn start_holder() -> (Child, Vec<Held>) {
    let mut holder = Command::new(std::env::current_exe().expect("a process knows its program"))
        .args(["--exact", "servers::nothing_is_left_of_the_servers_of_a_killed_process", "--nocapture"])
        .env(HOLDER, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test binary can be run");
    let lines = BufReader::new(holder.stdout.take().expect("the output was asked for as a pipe")).lines();
    let held = lines.map_while(Result::ok).filter_map(|line| {
        let mut words = line.strip_prefix("held ")?.split(' ');
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok()).expect("a number");
        let (port, process) = (number(), number());
        let folder = PathBuf::from(words.next().expect("a folder"));
        Some(Held { port: u16::try_from(port).expect("a port is a u16"), process, folder })
    });
    let held = held.take(2).collect();
    (holder, held)
}
