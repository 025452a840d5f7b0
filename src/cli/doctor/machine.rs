//! Judges this machine: who may read the passwords, whether the address can be listened on, what systemd
//! hands over.

use super::finding::Findings;
use crate::config::{
    Config, NotifyKind,
    load::{Setting, Sources},
};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// How long whoever has the address may take to say who it is.
const ANSWER_SECONDS_MAX: u64 = 2;
/// What an answer's beginning is looked for in.
const ANSWER_BYTES_MAX: u64 = 4096;

pub(super) async fn examine(config: &Config, settings: &[Setting], sources: &Sources, into: &mut Findings) {
    secrets(config, settings, sources, into);
    credentials(sources, into);
    address(config.http.listen, into).await;
}

/// Files with a password that others than their owner can read.
fn secrets(config: &Config, settings: &[Setting], sources: &Sources, into: &mut Findings) {
    // Whoever knows the address of a webhook may post there; Alertmanager's tells nothing.
    let alertmanagers = config.notify.iter().enumerate().filter(|(_, notify)| notify.kind == NotifyKind::Alertmanager);
    let told: Vec<String> = alertmanagers.map(|(index, _)| format!("notify.{index}.url")).collect();
    let is_secret = |setting: &&Setting| {
        let name = setting.key.rsplit('.').next().unwrap_or_default();
        matches!(name, "password" | "url" | "token")
            && !told.contains(&setting.key)
            && setting.value.as_str().is_some_and(|value| !value.is_empty())
    };
    let holds_one = |path: &&PathBuf| {
        let place = path.display().to_string();
        settings.iter().filter(is_secret).any(|setting| setting.origin.starts_with(&place))
    };
    let files = sources.files.iter().filter(holds_one).cloned();
    let replica = &config.source.replica;
    let named = [
        &config.source.password_file,
        &config.source.url_file,
        &config.warehouse.password_file,
        &config.warehouse.url_file,
        &replica.password_file,
        &replica.url_file,
        &config.http.token_file,
        &config.heartbeat.url_file,
    ];
    let of_notifiers = config.notify.iter().flat_map(|n| [&n.url_file, &n.token_file, &n.password_file]);
    let named = named.into_iter().chain(of_notifiers).flatten().cloned();
    let mut looked_at: Vec<PathBuf> = files.chain(named).collect();
    looked_at.sort();
    looked_at.dedup();
    let open: Vec<String> =
        looked_at.iter().filter(|path| is_open(path)).map(|path| path.display().to_string()).collect();
    match (looked_at.is_empty(), open.is_empty()) {
        (true, _) => {}
        (false, true) => into.ok("secrets", "the files that hold passwords can be read by their owner alone"),
        (false, false) => into.warn(
            "secrets",
            format!("others on this machine can read {}, which holds a password", open.join(", ")),
            format!("chmod 600 {}", open.join(" ")),
        ),
    }
}

/// Whether more than the owner may read it. A group may be one of administrators, but nobody says so.
fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o044 != 0)
}

/// What systemd hands over: an empty credential counts as none, and that is told.
fn credentials(sources: &Sources, into: &mut Findings) {
    let Some(folder) = &sources.credentials else { return };
    let Ok(entries) = fs::read_dir(folder) else {
        let remedy = "run it as the service does: its unit has LoadCredential=";
        return into.warn("credentials", format!("{} can't be read", folder.display()), remedy);
    };
    let is_filled =
        |path: &Path| fs::read(path).is_ok_and(|bytes| bytes.iter().any(|byte| !byte.is_ascii_whitespace()));
    let mut told: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_filled(&entry.path()) { name } else { format!("{name} (empty, counts as none)") }
        })
        .collect();
    told.sort();
    into.ok("credentials", if told.is_empty() { "systemd hands over none".to_owned() } else { told.join(", ") });
}

async fn address(listen: SocketAddr, into: &mut Findings) {
    let whom = if listen.ip().is_loopback() {
        "this machine alone"
    } else {
        "whoever reaches this machine: names of tables and models can be read there"
    };
    match TcpListener::bind(listen).await {
        Ok(_) => into.ok("address", format!("{listen} is free; for {whom}")),
        Err(_) if is_amalgam(listen).await => into.ok("address", format!("a daemon serves {listen}; for {whom}")),
        // A run by hand needs none.
        Err(error) => into.warn(
            "address",
            format!("amalgam serve would not start: [http] listen = \"{listen}\" can't be had ({})", error.kind()),
            format!("set http.listen to another address, or end who has it: ss -ltnp 'sport = :{}'", listen.port()),
        ),
    }
}

/// Whether who listens there already is a daemon of ours.
async fn is_amalgam(listen: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(listen).await?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    match timeout(Duration::from_secs(ANSWER_SECONDS_MAX), asked).await {
        Ok(Ok(answer)) => answer.contains("\"writer\"") && answer.contains("\"warehouse\""),
        _ => false,
    }
}
