//! `amalgam support`: what helps from afar, and not a value of a row, nor a secret.

use crate::{
    daemon::Daemon,
    harness::{Servers, until},
};
use std::process::Command;

/// Planted wherever a value or a secret could come from. None is a part of another word.
const PLANTED: [&str; 9] = [
    "Zyxwvut",        // a patient's name at the source, and with it in the warehouse
    "quarantinedxqz", // a row that is set aside
    "enumwordxqz",    // what a column may hold
    "kindxqz",        // in the place of a failure's kind
    "errorxqz",       // a failure's text, as if a server had quoted a row
    "passwordxqz",    // of the configuration
    "urlsecretxqz",   // within a URL
    "varxqz",         // a variable of the models
    "logxqz",         // in a text of the log
];

#[tokio::test(flavor = "multi_thread")]
async fn the_bundle_holds_what_helps_and_no_value_and_no_secret() {
    let bench = Servers::fresh("support").await;
    bench
        .source(
            "create table patient (PatNum bigint primary key, LName varchar(40), IsHidden tinyint, Kind enum('enumwordxqz', 'b'));
             insert into patient values (1, 'Zyxwvut', 0, 'enumwordxqz'), (2, 'quarantinedxqz', 5, 'b')",
        )
        .await;
    let secret = bench.files().join("password");
    std::fs::write(&secret, "passwordxqz\n").expect("a file can be written");
    let more = format!(
        "[models]\nproject_dir = \"{}\"\nvars = {{ who = \"varxqz\" }}\n\n[[sync.types]]\ncolumns = \"patient.Is*\"\nas = \"boolean\"\n\n\
         [source.replica]\nurl = \"mysql://reader:urlsecretxqz@127.0.0.1:1/\"\n\n[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n",
        bench.files().join("project").display()
    );
    std::fs::create_dir_all(bench.files().join("project/models")).expect("a folder can be made");
    std::fs::write(bench.files().join("project/dbt_project.yml"), "name: p\n").expect("a file can be written");
    std::fs::write(bench.files().join("project/models/broken.sql"), "select 'errorxqz'::int as n").expect("a file");
    let mut daemon = Daemon::start_as(&bench, &more, |command| {
        command.args(["--set", &format!("warehouse.password_file={}", secret.display())]);
    })
    .await;
    until("a run has ended", async || {
        bench.texts("select 1 from pg_tables where schemaname = 'amalgam' and tablename = 'run'").await.len() == 1
            && bench.text("select count(*) from amalgam.run where state = 'failed'").await != "0"
    })
    .await;
    daemon.signal("TERM");
    daemon.child.wait().await.expect("it ends");
    // As if a server's message had come through, and a kind were no kind.
    bench
        .warehouse(
            "alter table amalgam.task disable trigger all; alter table amalgam.attempt disable trigger all; alter table amalgam.run disable trigger all;
             update amalgam.task set error = 'near errorxqz', error_kind = 'kindxqz' where state = 'failed';
             update amalgam.attempt set error = 'near errorxqz', error_kind = 'kindxqz' where state = 'failed'",
        )
        .await;
    let log = bench.files().join("log.jsonl");
    let line = r#"{"time":"2026-06-01T10:00:00Z","level":"error","target":"amalgam::orchestrator","message":"failed","run":1,"table":"patient","error":"logxqz"}"#;
    std::fs::write(&log, format!("{line}\na line of logxqz\n")).expect("a file can be written");

    let bundle = bench.files().join("bundle.tar.gz");
    let output = bench
        .amalgam_with(&format!("[http]\nlisten = \"{}\"\n\n{more}", daemon.address))
        .args(["--set", &format!("warehouse.password_file={}", secret.display())])
        .arg("support")
        .arg("--output")
        .arg(&bundle)
        .arg("--log")
        .arg(&log)
        .output()
        .await
        .expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = bench.files().join("unpacked");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let unpacked =
        Command::new("tar").arg("-xzf").arg(&bundle).arg("-C").arg(&folder).arg("--strip-components=1").status();
    assert!(unpacked.expect("tar is there").success());
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    for (member, words) in [
        ("about.json", "\"version\""),
        ("configuration.json", "********"),
        ("doctor.json", "\"verdict\""),
        ("settings.json", "\"max_connections\""),
        ("tables.json", "\"enum(2 words)\""),
        ("control_plane.json", "\"unknown\""),
        ("control_plane.json", "\"schedule\": \"often\""),
        ("metrics.txt", "# nobody answers"),
        ("log.jsonl", "\"table\":\"patient\""),
        ("README.txt", "no value of any row"),
    ] {
        assert!(read(member).contains(words), "{member} lacks {words}: {}", read(member));
    }
    let everything: String = std::fs::read_dir(&folder)
        .expect("it can be listed")
        .map(|entry| read(&entry.expect("an entry").file_name().to_string_lossy()))
        .collect();
    for planted in PLANTED {
        assert!(!everything.contains(planted), "{planted}");
    }
    // What is looked for is where it was planted: else its absence would show nothing.
    assert!(bench.text("select count(*) from amalgam.task where error like '%errorxqz%'").await != "0");
    assert_eq!(bench.text("select \"LName\" from raw.patient").await, "Zyxwvut");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&bundle).expect("it is there").permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_made_where_databases_are_away_or_the_configuration_is_wrong() {
    let bench = Servers::fresh("support_away").await;
    let made = async |name: &str, settings: &[&str]| {
        let mut command = bench.amalgam();
        for setting in settings {
            command.args(["--set", setting]);
        }
        let path = bench.files().join(name);
        let output = command.arg("support").arg("--output").arg(&path).output().await.expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = Command::new("tar").arg("-xzOf").arg(&path).output().expect("tar is there");
        String::from_utf8(told.stdout).expect("text")
    };
    let away = made("away.tar.gz", &["source.port=1", "warehouse.port=1"]).await;
    assert!(away.contains("\"not_gathered\"") && away.contains("source_unreachable"), "{away}");
    let wrong = made("wrong.tar.gz", &["retry.attempts_max=0"]).await;
    assert!(wrong.contains("\"refused\"") && wrong.contains("retry.attempts_max"), "{wrong}");
}
