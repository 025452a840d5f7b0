//! Mail, by a real server: aiosmtpd of Debian's package, which demands STARTTLS and a login.

use super::{PATIENCE, Practice, notify};
use crate::{faults::certificate, harness::until_within};
use serde_json::Value;
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::Mutex,
};

struct MailServer {
    port: u16,
    lines: Mutex<Lines<BufReader<ChildStdout>>>,
    _child: Child,
}

impl MailServer {
    async fn start(certificate: &Path, key: &Path) -> Self {
        // Debian's own: another in the path knows nothing of its packages.
        let mut child = Command::new("/usr/bin/python3")
            .arg("tests/it/notifiers/mail.py")
            .args([certificate, key])
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            // It complains at length of who does not trust it, as one does here.
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/prerequisites installs python3 and aiosmtpd");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let port = lines.next_line().await.expect("it can be read").expect("it says its port");
        Self { port: port.parse().expect("a port"), lines: Mutex::new(lines), _child: child }
    }

    /// The next mail.
    async fn mail(&self) -> Value {
        let next = async { self.lines.lock().await.next_line().await };
        let line = tokio::time::timeout(PATIENCE, next).await.expect("a mail comes in time");
        serde_json::from_str(&line.expect("it can be read").expect("it lives")).expect("it is JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_by_starttls_and_login_to_all_who_are_named() {
    let practice = Practice::new("notify_mail").await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (certificate, key) = certificate(folder.path());
    let server = MailServer::start(&certificate, &key).await;
    let with = |password: &str, authority: &str| {
        let port = server.port;
        let more = format!(
            "host = \"127.0.0.1\"\nport = {port}\nuser = \"amalgam\"\npassword = \"{password}\"\n{authority}\
             from = \"Amalgam <amalgam@clinic.example>\"\nto = [\"office@clinic.example\", \"it@clinic.example\"]"
        );
        notify("office", "email", &more)
    };
    let trusted = format!("tls_ca_file = {:?}\n", folder.path().join("ca.pem"));
    let tried = async |config: String| {
        let output = practice.bench.amalgam_with(&config).args(["notify", "test", "office"]).output().await;
        let output = output.expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, told) = tried(with("hunter2", &trusted)).await;
    assert_eq!(status, Some(0), "{told}");
    for subject in [
        "[amalgam] warning: Model a-test-by-hand can't be built",
        "[amalgam] resolved: Model a-test-by-hand can't be built",
    ] {
        let mail = server.mail().await;
        assert_eq!((&mail["subject"], &mail["tls"]), (&subject.into(), &true.into()), "{mail:#}");
        assert_eq!(mail["from"], "amalgam@clinic.example");
        assert_eq!(mail["to"], serde_json::json!(["office@clinic.example", "it@clinic.example"]));
    }
    let (status, told) = tried(with("wrong-hunter", &trusted)).await;
    assert!(status == Some(1) && told.contains("535") && !told.contains("wrong-hunter"), "{told}");
    let (status, told) = tried(with("hunter2", "")).await;
    assert!(status == Some(1) && told.contains("invalid peer certificate"), "{told}");

    let daemon = practice.daemon(&with("hunter2", &trusted)).await;
    practice.until_well(&daemon).await;
    practice.break_it("income");
    let mail = server.mail().await;
    let text = mail["text"].as_str().unwrap_or_default();
    assert!(text.contains("Model income can't be built") && text.contains("docs/runbooks/model-failing.md"), "{text}");
    assert!(!mail.to_string().contains("hunter3"), "no value is told");
    practice.mend("income");
    assert_eq!(server.mail().await["subject"], "[amalgam] resolved: Model income can't be built");
    until_within(PATIENCE, "both are counted", async || {
        let page = daemon.get("/metrics").await.map(|(_, page)| page).unwrap_or_default();
        page.contains("amalgam_notifications_total{notifier=\"office\",result=\"sent\"} 2\n")
    })
    .await;
}
