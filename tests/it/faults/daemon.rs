//! A daemon heals by itself when the cause of a failure goes away.

use super::*;

/// Whether a warning or error of this kind was logged, with its remedy.
fn logged(daemon: &mut Daemon, kind: Kind) -> bool {
    daemon.log().iter().any(|line| line["kind"] == kind.as_str() && line["error"].is_string())
}

/// A daemon of one schedule on servers that the test can stop.
async fn living(name: &str) -> (Private, Private, Bench, Daemon) {
    let (source, warehouse) = (format!("{name}-source"), format!("{name}-warehouse"));
    let servers = move || (start(Server::MariaDb, &source), start(Server::PostgreSql, &warehouse));
    let (mariadb, postgres) = tokio::task::spawn_blocking(servers).await.expect("the servers start");
    let bench = Bench::on(&mariadb, &postgres).await;
    bench.source("create table patient (PatNum bigint primary key auto_increment, LName varchar(50))").await;
    let daemon = Daemon::start(&bench, EVERY_SECOND).await;
    posted(&bench, 1).await;
    (mariadb, postgres, bench, daemon)
}

/// A row posted at the source arrives; none of those before it is lost.
async fn posted(bench: &Bench, rows: usize) {
    bench.source(&format!("insert into patient (LName) values ('{VALUE}')")).await;
    until(&format!("row {rows} arrives"), || async {
        bench.text("select to_regclass('raw.patient') is not null").await == "t"
            && bench.text("select count(*) from raw.patient").await == rows.to_string()
    })
    .await;
}

async fn unready(daemon: &Daemon, kind: Kind) {
    until(&format!("readiness says {kind}"), || async {
        daemon.get("/readyz").await.is_some_and(|(status, body)| {
            status == 503
                && body.contains(&format!("\"{kind}\""))
                && body.contains(&kind.policy().1.replace('"', "\\\""))
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_outlives_its_source() {
    let (mut mariadb, _postgres, bench, mut daemon) = living("outlives-source").await;
    mariadb.stop().expect("it stops");
    unready(&daemon, Kind::SourceUnreachable).await;
    assert_eq!(bench.text("select count(*) from raw.patient").await, "1");
    mariadb.start_again().expect("it starts again");
    daemon.until_status("/readyz", 200).await;
    posted(&bench, 2).await;
    bench.source("alter user 'reader'@'%' identified by 'changed'; kill user 'reader'@'%'").await;
    unready(&daemon, Kind::SourceAuth).await;
    assert_eq!(bench.text("select count(*) from raw.patient").await, "2");
    bench.source("alter user 'reader'@'%' identified by ''").await;
    daemon.until_status("/readyz", 200).await;
    posted(&bench, 3).await;
    assert!(logged(&mut daemon, Kind::SourceUnreachable) && logged(&mut daemon, Kind::SourceAuth));
    quiet(&mut daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_outlives_its_warehouse() {
    let (_mariadb, mut postgres, bench, mut daemon) = living("outlives-warehouse").await;
    postgres.kill().expect("it dies");
    unready(&daemon, Kind::WarehouseUnreachable).await;
    postgres.start_again().expect("it starts again");
    daemon.until_status("/readyz", 200).await;
    posted(&bench, 2).await;
    postgres.stop().expect("it stops");
    let rules = hba(&postgres);
    let trusting = std::fs::read_to_string(&rules).expect("the rules can be read");
    std::fs::write(&rules, "host all all all scram-sha-256\n").expect("the rules can be written");
    postgres.start_again().expect("it starts again");
    unready(&daemon, Kind::WarehouseAuth).await;
    std::fs::write(&rules, trusting).expect("the rules can be written");
    signal(&postgres, "HUP");
    daemon.until_status("/readyz", 200).await;
    posted(&bench, 3).await;
    assert!(logged(&mut daemon, Kind::WarehouseUnreachable) && logged(&mut daemon, Kind::WarehouseAuth));
    quiet(&mut daemon);
}

/// A server that is ended and started again with other flags, on the same port and data.
struct Restarted {
    kind: Server,
    options: Options,
    server: Option<Private>,
}

impl Restarted {
    fn start(kind: Server, name: &str) -> Self {
        let options = Options { durable: false, ..Options::keep(harness::folder(name)) };
        let mut server = Self { kind, options, server: None };
        server.again(&[]);
        server.options.port = Some(server.running().port());
        server
    }

    fn running(&self) -> &Private {
        self.server.as_ref().expect("it was started")
    }

    fn again(&mut self, flags: &[String]) {
        self.server = None;
        self.options.flags = flags.to_vec();
        self.server = Some(Private::start(self.kind, &self.options).expect("a private server starts"));
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        self.server = None;
        // What can't be removed lies in the system's folder for temporary files.
        let _ = amalgam::demo::servers::remove_folder(&self.options.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_refused_tls_goes_on_when_it_is_offered() {
    let certificates = tempfile::tempdir().expect("a temporary folder can be made");
    let (certificate, key) = certificate(certificates.path());
    let mut mariadb = Restarted::start(Server::MariaDb, "tls-later-source");
    let mut postgres = Restarted::start(Server::PostgreSql, "tls-later-warehouse");
    let bench = Bench::on(mariadb.running(), postgres.running()).await;
    bench.source("create table patient (PatNum bigint primary key auto_increment, LName varchar(50))").await;
    let mut daemon = Daemon::start_as(&bench, EVERY_SECOND, |command| {
        command.args(set(&[("source.tls", "require"), ("warehouse.tls", "require")]));
    })
    .await;
    unready(&daemon, Kind::SourceTls).await;
    unready(&daemon, Kind::WarehouseTls).await;

    let file = certificate.clone();
    let (certificate, key) = (certificate.display(), key.display());
    let flags = ["ssl=on".to_owned(), format!("ssl_cert_file={certificate}"), format!("ssl_key_file={key}")];
    postgres.again(&flags.map(|flag| ["-c".to_owned(), flag]).concat());
    until("a run says that the source refuses", || async {
        let status = bench.amalgam().arg("status").output().await.expect("it ends");
        let told = String::from_utf8_lossy(&status.stdout).into_owned();
        told.contains("by often failed") && told.contains(Kind::SourceTls.policy().1)
    })
    .await;
    mariadb.again(&["--ssl".to_owned(), format!("--ssl-cert={certificate}"), format!("--ssl-key={key}")]);
    daemon.until_status("/readyz", 200).await;
    posted(&bench, 1).await;
    assert!(logged(&mut daemon, Kind::SourceTls) && logged(&mut daemon, Kind::WarehouseTls));
    let encrypted = "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) where application_name like 'amalgam%'";
    assert_eq!(bench.text(encrypted).await, "t");
    let end = r#"date -ud "$(openssl x509 -noout -enddate -in "$1" | cut -d= -f2)" +%s"#;
    let end = std::process::Command::new("sh").args(["-c", end, "sh"]).arg(&file).output().expect("sh is there");
    let end = String::from_utf8(end.stdout).expect("a number");
    assert!(end.trim().parse::<i64>().is_ok(), "{end}");
    for peer in ["source", "warehouse"] {
        let told = format!("amalgam_tls_certificate_expiry_timestamp_seconds{{peer=\"{peer}\"}} {end}");
        until(&format!("the certificate of the {peer} is told of: {told}"), || async {
            daemon.get("/metrics").await.is_some_and(|(_, body)| body.contains(&told))
        })
        .await;
    }
    quiet(&mut daemon);
}

/// A file of the server's may have so many bytes: those of a segment of its log, and half a page. The
/// write across the bound comes up short, which PostgreSQL reports as it reports a full disk.
const FILE_BYTES_MAX: u64 = (16 << 20) + 4096;

/// Bounds the files of a server and of all its present processes; `None`: no bound.
fn bound_files(postgres: &Private, bytes_max: Option<u64>) {
    let process = postgres.process().expect("it runs");
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    // The soft bound alone: it can be taken away again without being root.
    let bound = bytes_max.map_or("unlimited:".to_owned(), |bytes| format!("{bytes}:"));
    let of_postmaster = bounded(process, &bound);
    assert!(of_postmaster, "the server's own user may bound it");
    for child in children.split_whitespace() {
        // One that has just ended needs no bound.
        bounded(child.parse().expect("the kernel lists numbers"), &bound);
    }
}

/// Runs `prlimit` as the process's own user: root itself may lack the right.
fn bounded(process: u32, bound: &str) -> bool {
    let Ok(owner) = std::fs::metadata(format!("/proc/{process}")) else { return false };
    let own = std::fs::metadata("/proc/self").expect("this process is there");
    let mut command = Command::new(if owner.uid() == own.uid() { "prlimit" } else { "setpriv" });
    if owner.uid() != own.uid() {
        let (user, group) = (format!("--reuid={}", owner.uid()), format!("--regid={}", owner.gid()));
        command.args([user.as_str(), group.as_str(), "--clear-groups", "prlimit"]);
    }
    let ran = command.args(["--pid", &process.to_string(), &format!("--fsize={bound}")]).status();
    ran.expect("prlimit and setpriv are everywhere").success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_waits_for_room_in_the_warehouse() {
    let (_mariadb, postgres, bench, mut daemon) = living("full").await;
    bound_files(&postgres, Some(FILE_BYTES_MAX));
    bench.source(&format!("create table image (id bigint primary key, content varchar(1000)); insert into image select seq, rpad('{VALUE}', 1000, md5(seq)) from seq_1_to_20000")).await;
    until("the log says that there is no room", || {
        let said = logged(&mut daemon, Kind::WarehouseFull);
        async move { said }
    })
    .await;
    assert_eq!(bench.text("select count(*) from raw.patient").await, "1");
    assert_eq!(bench.text("select to_regclass('raw.image') is null").await, "t");
    // What still fits goes on.
    posted(&bench, 2).await;
    let status = bench.amalgam().arg("status").output().await.expect("it ends");
    let told = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(told.contains("image") && told.contains(Kind::WarehouseFull.policy().1), "{told}");
    bound_files(&postgres, None);
    until("it is loaded once there is room", || async {
        bench.text("select to_regclass('raw.image') is not null").await == "t"
    })
    .await;
    assert_eq!(bench.text("select count(*) from raw.image").await, "20000");
    quiet(&mut daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_fails_for_a_bad_text_is_counted_and_told_until_it_is_mended() {
    let bench = with_a_row("bad_text").await;
    bench.source("create table note (id int primary key, v text); insert into note values (1, 'fine')").await;
    let strictly = |command: &mut tokio::process::Command| {
        command.args(["--set", "source.bad_text=fail"]);
    };
    let mut daemon = Daemon::start_as(&bench, EVERY_SECOND, strictly).await;
    until("the note arrives", || async {
        bench.text("select to_regclass('raw.note') is not null").await == "t"
            && bench.text("select count(*) from raw.note").await == "1"
    })
    .await;
    let failures = async || {
        let (_, page) = daemon.get("/metrics").await.unwrap_or_default();
        let line = format!("amalgam_failures_total{{kind=\"{}\"}} ", Kind::RowsRefused);
        page.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok()).unwrap_or_default()
    };
    assert_eq!(failures().await, 0);
    bench.source(&format!("insert into note values (2, concat('{VALUE}', char(0)))")).await;
    until("each try is counted", async || failures().await > 1).await;
    assert_eq!(bench.text("select count(*) from raw.note").await, "1", "the last good version stays");
    let status = bench.amalgam().arg("status").output().await.expect("it ends");
    let told = String::from_utf8_lossy(&status.stdout).into_owned() + &String::from_utf8_lossy(&status.stderr);
    assert!(told.contains("column note.v holds a text with NUL or invalid UTF-8"), "{told}");
    assert!(told.contains("bad_text") && !told.contains(VALUE), "{told}");
    bench.source("update note set v = 'mended' where id = 2").await;
    until("it is mended", async || bench.text("select count(*) from raw.note").await == "2").await;
    assert!(logged(&mut daemon, Kind::RowsRefused));
    quiet(&mut daemon);
}
