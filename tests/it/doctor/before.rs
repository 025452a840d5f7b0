//! What could go wrong before the first run: this machine, limits, clocks, and the control plane's version.

use super::Visit;
use crate::{
    daemon::Daemon,
    harness::{Bench, Servers},
};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};
use tokio::process::Command as Process;

async fn visit(bench: &Bench, more: &str, adapt: impl FnOnce(&mut Process) -> &mut Process) -> Visit {
    let mut command = bench.amalgam_with(more);
    adapt(&mut command);
    let output = command.args(["doctor", "--format", "json"]).output().await.expect("the program can be started");
    Visit::of(&output)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_others_can_read_is_told_with_what_to_do() {
    let bench = Servers::fresh("doctor_secrets").await;
    let file = bench.files().join("warehouse_password");
    fs::write(&file, "secret\n").expect("a file can be written");
    set_mode(&file, 0o640);
    let setting = format!("warehouse.password_file={}", file.display());
    let with_file = async || visit(&bench, "", |c| c.args(["--set", &setting])).await;
    let open = with_file().await;
    let remedy = format!("chmod 600 {}", file.display());
    assert_eq!((open.find("machine", "secrets").0, open.find("machine", "secrets").2), ("warn", &*remedy));
    set_mode(&file, 0o600);
    assert_eq!(with_file().await.find("machine", "secrets").0, "ok");

    // Within the configuration itself; a configuration without one may be read by anybody.
    let replica = "[source.replica]\nhost = \"127.0.0.1\"\nport = 1\npassword = \"secret\"\n";
    let within = visit(&bench, replica, |c| c).await;
    assert!(within.find("machine", "secrets").1.contains("amalgam.toml"), "{}", within.text);
    assert!(!within.text.contains("\"secret\""));
    let without = visit(&bench, "", |c| c).await;
    assert!(!without.text.contains("\"secrets\""), "{}", without.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_somebody_has_is_told_unless_it_is_a_daemon_of_ours() {
    let bench = Servers::fresh("doctor_address").await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has one");
    let listen = |address| format!("[http]\nlisten = \"{address}\"\n");
    let found = visit(&bench, &listen(address), |c| c).await;
    let (verdict, _, remedy) = found.find("machine", "address");
    assert_eq!(verdict, "warn");
    assert!(remedy.contains(&format!("ss -ltnp 'sport = :{}'", address.port())), "{remedy}");
    let daemon = Daemon::start(&bench, "").await;
    let found = visit(&bench, &listen(daemon.address), |c| c).await;
    let (verdict, finding, _) = found.find("machine", "address");
    assert!(verdict == "ok" && finding.starts_with("a daemon serves"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_systemd_hands_over_is_told_and_what_is_empty_counts_as_none() {
    let bench = Servers::fresh("doctor_credentials").await;
    let folder = bench.files().join("credentials");
    fs::create_dir(&folder).expect("a folder can be made");
    fs::write(folder.join("source_password"), "\n").expect("a file can be written");
    fs::write(folder.join("warehouse_password"), "secret-112233\n").expect("a file can be written");
    let found = visit(&bench, "", |c| c.env("CREDENTIALS_DIRECTORY", &folder)).await;
    let told = "source_password (empty, counts as none), warehouse_password";
    assert_eq!(found.find("machine", "credentials").1, told);
    assert!(!found.text.contains("112233"));
    assert_eq!(found.find("source", "reachable").0, "ok", "no password is what this user has");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_may_have_too_few_connections_comes_with_the_statement_that_grants_them() {
    let bench = Servers::fresh("doctor_few").await;
    let name = bench.database();
    bench
        .source(&format!(
            "create table a (x int primary key); create user '{name}'@'%'; grant select on `{name}`.* to '{name}'@'%'; \
             alter user '{name}'@'%' with max_user_connections 3"
        ))
        .await;
    let setting = format!("source.user={name}");
    let found = visit(&bench, "", |c| c.args(["--set", &setting])).await;
    let (verdict, finding, remedy) = found.find("source", "connections");
    assert_eq!((verdict, finding), ("warn", "8 wanted at most, the user may have 3"));
    let statement = remedy.split("; ").next().expect("a statement");
    assert_eq!(statement, format!("ALTER USER '{name}'@'%' WITH MAX_USER_CONNECTIONS 8"));
    bench.source(statement).await;
    let mended = visit(&bench, "", |c| c.args(["--set", &setting])).await;
    assert_eq!(mended.find("source", "connections").0, "ok", "{}", mended.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_cuts_off_who_waits_is_told() {
    let bench = Servers::fresh("doctor_idle").await;
    let set = format!("alter database \"{}\" set idle_in_transaction_session_timeout = '60s'", bench.database());
    bench.warehouse(&set).await;
    let found = visit(&bench, "", |c| c).await;
    let (verdict, _, remedy) = found.find("warehouse", "idle_in_transaction_session_timeout");
    assert_eq!((verdict, remedy), ("warn", "ALTER ROLE \"amalgam\" SET idle_in_transaction_session_timeout = 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_by_another_clock_than_the_clinics_is_told_where_hours_matter() {
    let bench = Servers::fresh("doctor_zone").await;
    // Half an hour off every whole zone, so whatever zone the servers have, it is another.
    let schedule =
        |cron: &str| format!("[[schedule]]\nname = \"nightly\"\ncron = \"{cron}\"\ntimezone = \"Asia/Kathmandu\"\n");
    let found = visit(&bench, &schedule("0 2 * * *"), |c| c).await;
    let (verdict, finding, remedy) = found.find("clocks", "time zone");
    assert_eq!(verdict, "warn");
    assert!(finding.contains("nightly is meant in Asia/Kathmandu") && remedy.contains("timezone"), "{finding}");
    let often = visit(&bench, &schedule("*/5 * * * *"), |c| c).await;
    assert!(!often.text.contains("\"time zone\",\n    \"finding\": \"schedule"), "{}", often.text);
    let none = visit(&bench, "", |c| c).await;
    assert_eq!(none.find("clocks", "schedules").0, "warn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_of_a_newer_program_or_of_half_an_upgrade_is_told() {
    let bench = Servers::fresh("doctor_control").await;
    bench.source("create table a (x int primary key)").await;
    assert_eq!(visit(&bench, "", |c| c).await.find("warehouse", "control plane").1, "made by the first run");
    let ran = bench.amalgam().arg("run").output().await.expect("it ends");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(visit(&bench, "", |c| c).await.find("warehouse", "control plane").1, "as this program needs it");
    let step = |success: bool| {
        format!(
            "insert into amalgam._sqlx_migrations (version, description, success, checksum, execution_time) \
             values (999999, 'newer', {success}, '', 0) on conflict (version) do update set success = excluded.success"
        )
    };
    bench.warehouse(&step(true)).await;
    let newer = visit(&bench, "", |c| c).await;
    assert_eq!(newer.find("warehouse", "control plane").0, "warn", "{}", newer.text);
    bench.warehouse(&step(false)).await;
    let broken = visit(&bench, "", |c| c).await;
    let (verdict, _, remedy) = broken.find("warehouse", "control plane");
    assert_eq!(verdict, "fail");
    let statement = remedy.split("then ").nth(1).and_then(|rest| rest.split(',').next()).expect("a statement");
    bench.warehouse(statement).await;
    assert_eq!(visit(&bench, "", |c| c).await.find("warehouse", "control plane").0, "ok");
}
