//! What goes wrong at either database is told with its kind, its place and a remedy, loses nothing, and
//! heals by itself when its cause goes away.

mod daemon;

use crate::{
    daemon::Daemon,
    harness::{self, Bench, Servers, WAITS_FOR_TABLE, start, until},
};
use amalgam::{
    demo::servers::{Kind as Server, Options, Server as Private},
    domain::Clock,
    error::Kind,
    sync::SyncOptions,
};
use mysql_async::prelude::Queryable;
use std::{
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

/// Stands in the rows, and must stand in nothing that is told or logged.
const VALUE: &str = "Zebrafish";

/// No command may take longer, whatever is wrong.
const PATIENCE: Duration = Duration::from_secs(25);

const EVERY_SECOND: &str = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n\n\
    [retry]\nattempts_max = 2\ndelay_milliseconds_initial = 50\ndelay_milliseconds_max = 200\n";

/// Runs the program with flags, expects it to fail, and gives back what it told.
async fn refused(bench: &Bench, flags: &[&str], command: &[&str]) -> String {
    let mut program = bench.amalgam();
    program.args(flags).args(["--log-filter", "error"]).args(command);
    let output = tokio::time::timeout(PATIENCE, program.output())
        .await
        .unwrap_or_else(|_| panic!("{flags:?}: not refused in time"))
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{flags:?}: {told}");
    assert!(!told.contains(VALUE), "a row's value is told: {told}");
    told
}

/// Expects `sync` to fail with this kind at this place.
async fn refuses(bench: &Bench, flags: &[String], kind: Kind, place: &str) {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let told = refused(bench, &flags, &["sync"]).await;
    assert!(told.contains(&format!("remedy: {}", kind.policy().1)), "{flags:?} is no {kind}: {told}");
    assert!(told.contains(place), "{flags:?} does not name {place}: {told}");
}

pub(crate) fn set(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]).collect()
}

/// A port that nothing listens on.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port().to_string()
}

async fn with_a_row(test_name: &str) -> Bench {
    let bench = Servers::fresh(test_name).await;
    bench.source(&format!("create table patient (PatNum bigint primary key, LName varchar(50)); insert into patient values (1, '{VALUE}')")).await;
    let synced = bench.amalgam().arg("sync").output().await.expect("it ends");
    assert!(synced.status.success(), "{synced:?}");
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_or_far_is_unreachable_within_its_bound() {
    let bench = with_a_row("unreachable").await;
    let port = closed_port();
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let silent_port = silent.local_addr().expect("it is bound").port().to_string();
    for (side, kind) in [("source", Kind::SourceUnreachable), ("warehouse", Kind::WarehouseUnreachable)] {
        let [host_key, port_key, bound] = ["host", "port", "connect_seconds_max"].map(|k| format!("{side}.{k}"));
        refuses(&bench, &set(&[(&port_key, &port)]), kind, &format!("127.0.0.1:{port}")).await;
        let silence = set(&[(&port_key, &silent_port), (&bound, "1")]);
        refuses(&bench, &silence, kind, &format!("127.0.0.1:{silent_port}: no answer within 1 s")).await;
        let nowhere = set(&[(&host_key, "no-such-host.invalid"), (&bound, "2")]);
        refuses(&bench, &nowhere, kind, "no-such-host.invalid:").await;
    }
    // A run that can't even be planned says so too.
    let flags = set(&[("source.port", port.as_str()), ("retry.attempts_max", "1")]);
    let told = refused(&bench, &flags.iter().map(String::as_str).collect::<Vec<_>>(), &["run"]).await;
    assert!(told.contains(&port) && told.contains(Kind::SourceUnreachable.policy().1), "{told}");
    assert_eq!(bench.text("select count(*) from raw.patient").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_or_a_missing_database_is_told_as_such() {
    let bench = with_a_row("password").await;
    let name = bench.database();
    bench
        .source(&format!("create user '{name}'@'%' identified by 'right'; grant select on {name}.* to '{name}'@'%'"))
        .await;
    let flags = |password: &'static str| set(&[("source.user", name), ("source.password", password)]);
    refuses(&bench, &flags("wrong"), Kind::SourceAuth, name).await;
    let right = bench.amalgam().args(flags("right")).arg("sync").output().await.expect("it ends");
    assert!(right.status.success(), "{right:?}");
    // What the user may not see is as good as not there.
    refuses(&bench, &set(&[("source.database", "no_such_database")]), Kind::SourceDatabaseMissing, "no_such_database")
        .await;

    let postgres = locked_postgres();
    let port = postgres.port().to_string();
    let warehouse = |password: &'static str| {
        set(&[
            ("warehouse.port", &port),
            ("warehouse.user", "locked"),
            ("warehouse.password", password),
            ("warehouse.database", "postgres"),
        ])
    };
    refuses(&bench, &warehouse("wrong"), Kind::WarehouseAuth, "locked").await;
    refuses(&bench, &warehouse(""), Kind::WarehouseAuth, "locked").await;
    let right = bench.amalgam().args(warehouse("right")).arg("sync").output().await.expect("it ends");
    assert!(right.status.success(), "{right:?}");
    let missing = set(&[("warehouse.database", "no_such_database")]);
    refuses(&bench, &missing, Kind::WarehouseAuth, "no_such_database").await;
}

/// A server whose superuser `locked` needs the password `right`.
fn locked_postgres() -> Private {
    let postgres = start(Server::PostgreSql, "locked");
    let psql = Command::new("psql")
        .args(["-h", "127.0.0.1", "-p", &postgres.port().to_string(), "-U", "amalgam", "-d", "postgres", "-c"])
        .arg("create role locked superuser login password 'right'")
        .output()
        .expect("psql comes with the server");
    assert!(psql.status.success(), "{psql:?}");
    let rules = hba(&postgres);
    let trusting = std::fs::read_to_string(&rules).expect("the rules can be read");
    std::fs::write(&rules, format!("host all locked all scram-sha-256\n{trusting}")).expect("the rules can be written");
    signal(&postgres, "HUP");
    postgres
}

fn hba(postgres: &Private) -> PathBuf {
    postgres.folder().join("data/pg_hba.conf")
}

fn signal(server: &Private, name: &str) {
    let process = server.process().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-s", name, &process]).status().expect("kill is there").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_that_the_server_lacks_or_nobody_vouches_for_is_refused() {
    let bench = with_a_row("tls").await;
    let (source, warehouse) = (bench.config().source, bench.config().warehouse);
    for mode in ["require", "verify-full"] {
        refuses(&bench, &set(&[("source.tls", mode)]), Kind::SourceTls, &format!(":{}", source.port)).await;
        refuses(&bench, &set(&[("warehouse.tls", mode)]), Kind::WarehouseTls, &format!(":{}", warehouse.port)).await;
    }
    let certificates = tempfile::tempdir().expect("a temporary folder can be made");
    let (mariadb, postgres) = tls_servers(certificates.path());
    let bench = Bench::on(&mariadb, &postgres).await;
    bench.source("create table patient (PatNum bigint primary key)").await;
    for (side, kind) in [("source", Kind::SourceTls), ("warehouse", Kind::WarehouseTls)] {
        let tls = format!("{side}.tls");
        refuses(&bench, &set(&[(&tls, "verify-full")]), kind, "127.0.0.1").await;
        let encrypted = bench.amalgam().args(set(&[(&tls, "require")])).arg("sync").output().await.expect("it ends");
        assert!(encrypted.status.success(), "{encrypted:?}");
        let authority = certificates.path().join("ca.pem").display().to_string();
        let vouched = set(&[(&tls, "verify-full"), (&format!("{side}.tls_ca_file"), &authority)]);
        let vouched = bench.amalgam().args(vouched).arg("sync").output().await.expect("it ends");
        assert!(vouched.status.success(), "{side}: {vouched:?}");
    }
}

/// Makes a server's certificate, of an authority that no system knows. Both files' paths: it, and its key.
pub(crate) fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let script = "set -e; cd \"$1\"; chmod 755 .; \
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem; \
        openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr; \
        printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE' > extensions; \
        openssl x509 -req -in server.csr -days 2 -CA ca.pem -CAkey ca.key -CAcreateserial -extfile extensions -out server.pem; \
        if [ \"$(id -u)\" = 0 ]; then chown nobody server.key; fi; chmod 600 server.key";
    let made = Command::new("sh").args(["-c", script, "sh"]).arg(folder).output().expect("sh is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (folder.join("server.pem"), folder.join("server.key"))
}

/// Two servers that show a certificate.
pub(crate) fn tls_servers(folder: &Path) -> (Private, Private) {
    let (certificate, key) = certificate(folder);
    let server = |kind, name, flags: [String; 3]| {
        let mut options = Options::throw_away(harness::folder(name));
        options.flags = flags
            .into_iter()
            .flat_map(|f| match kind {
                Server::MariaDb => vec![format!("--{f}")],
                Server::PostgreSql => vec!["-c".to_owned(), f],
            })
            .collect();
        Private::start(kind, &options).expect("a private server starts")
    };
    let mariadb =
        ["ssl".to_owned(), format!("ssl-cert={}", certificate.display()), format!("ssl-key={}", key.display())];
    let postgres = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
    ];
    (server(Server::MariaDb, "tls-source", mariadb), server(Server::PostgreSql, "tls-warehouse", postgres))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_between_plan_and_read_is_a_change_and_its_rows_stay() {
    let bench = with_a_row("dropped").await;
    let syncer = harness::syncer(bench.config(), &Clock::system(), &Arc::default()).await;
    bench.source("insert into patient values (2, 'Another')").await;
    let plans = syncer.plan(None, SyncOptions::default()).await.expect("both servers answer");
    bench.source("drop table patient").await;
    let error = syncer.sync_table(&plans[0].table.name, SyncOptions::default()).await.expect_err("it is gone");
    assert_eq!(error.kind, Kind::SourceChanged, "{error}");
    assert!(error.to_string().contains("patient"), "{error}");
    assert_eq!(bench.text("select count(*) from raw.patient").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_carries_on_when_a_table_is_dropped_under_it() {
    let bench = Servers::fresh("dropped_in_run").await;
    bench.source(&format!(
        "create table large (id bigint primary key, name varchar(50)); insert into large select seq, '{VALUE}' from seq_1_to_1000;
         create table small (id bigint primary key, name varchar(50)); insert into small values (1, '{VALUE}')"
    )).await;
    // The largest table is read first, and no further while somebody writes to it.
    let mut writer = bench.at_source().await;
    writer.query_drop("lock tables large write, small write").await.expect("they are there");
    let flags = set(&[("sync.parallel_tables", "1"), ("retry.attempts_max", "2")]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let (told, ()) = tokio::join!(refused(&bench, &flags, &["run"]), async {
        bench.until_session("the run waits for the large table", WAITS_FOR_TABLE).await;
        writer.query_drop("drop table small; unlock tables").await.expect("they are locked by this connection");
    });
    assert!(told.contains("small") && told.contains(Kind::SourceChanged.policy().1), "{told}");
    assert_eq!(bench.text("select count(*) from raw.large").await, "1000");
    assert_eq!(bench.text("select count(*) from pg_class where relname = 'small'").await, "0");
    writer.disconnect().await.expect("a connection can be closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_another_type_loads_its_table_again_and_a_view_on_it_survives() {
    let bench = with_a_row("retyped").await;
    bench.source("create table zip (id bigint primary key, code varchar(10), town varchar(50)); insert into zip values (1, '97301', 'Salem')").await;
    let mut daemon = Daemon::start(&bench, EVERY_SECOND).await;
    until("it is loaded", || async { bench.text("select to_regclass('raw.zip') is not null").await == "t" }).await;
    bench.warehouse("create role reporter_of_zip; create view public.towns as select code, town from raw.zip; grant select on public.towns, raw.zip to reporter_of_zip").await;
    bench.source("alter table zip modify code int").await;
    until("it is loaded again", || async {
        let of =
            "select atttypid::regtype from pg_attribute where attname = 'code' and attrelid = to_regclass('raw.zip')";
        bench.text(of).await == "integer"
    })
    .await;
    assert_eq!(bench.text("select code + 1 from public.towns where town = 'Salem'").await, "97302");
    let granted = "select has_table_privilege('reporter_of_zip', 'raw.zip', 'select') and has_table_privilege('reporter_of_zip', 'public.towns', 'select')";
    assert_eq!(bench.text(granted).await, "t");
    assert_eq!(bench.text("select count(*) from raw.patient").await, "1");
    quiet(&mut daemon);
    daemon.signal("TERM");
    daemon.child.wait().await.expect("it ends");
    bench.warehouse("drop owned by reporter_of_zip; drop role reporter_of_zip").await;
}

/// No line of the log holds a row's value.
fn quiet(daemon: &mut Daemon) {
    for line in daemon.log() {
        assert!(!line.to_string().contains(VALUE), "a row's value is logged: {line}");
    }
}
