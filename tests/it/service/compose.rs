//! `deploy/compose.yml` and the image, as far as they can be judged without a Docker daemon: the compose
//! specification's shapes of what is used here, every image with its version, every mounted file there,
//! every check of health a command, and no secret. Where `docker compose` is, it reads the file too.

use serde_json::{Map, Value};
use std::{collections::BTreeSet, fs, path::Path, process::Command};

const COMPOSE: &str = "deploy/compose.yml";
const DOCKERFILE: &str = "deploy/Dockerfile";

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn object<'a>(value: &'a Value, what: &str) -> &'a Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{what} is no mapping: {value}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Compose specification, "Services top-level element": the attributes that are used, and their shapes.
fn misshapen(name: &str, service: &Map<String, Value>) -> Vec<String> {
    let is_texts = |v: &Value| v.as_array().is_some_and(|items| items.iter().all(Value::is_string));
    let is_duration = |v: &Value| v.as_str().is_some_and(|text| text.ends_with(['s', 'm', 'h']));
    let wrong = service.iter().filter(|(key, value)| !match key.as_str() {
        "image" | "restart" => value.is_string(),
        "command" | "secrets" | "volumes" | "ports" | "tmpfs" | "cap_drop" | "security_opt" => is_texts(value),
        "environment" => value.as_object().is_some_and(|m| m.values().all(|v| v.is_string() || v.is_number())),
        "read_only" => value.is_boolean(),
        "stop_grace_period" => is_duration(value),
        "build" => value.as_object().is_some_and(|m| m.keys().all(|k| ["context", "dockerfile"].contains(&k.as_str()))),
        "depends_on" => value.as_object().is_some_and(|m| m.values().all(|v| v["condition"] == "service_healthy")),
        "healthcheck" => {
            let known = ["test", "interval", "timeout", "retries"];
            value.as_object().is_some_and(|m| m.keys().all(|k| known.contains(&k.as_str())))
                && is_duration(&value["interval"])
                && is_duration(&value["timeout"])
                && value["retries"].is_u64()
        }
        _ => false,
    });
    wrong.map(|(key, value)| format!("{name}.{key}: {value}")).collect()
}

/// `name:1.2.3`, and never the newest, whatever that is by then.
fn has_version(image: &str) -> bool {
    let version = image.rsplit_once(':').map_or("", |(_, version)| version);
    version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && version.contains('.')
}

#[test]
fn every_service_is_well_formed_versioned_checked_and_finds_its_files() {
    let compose = yaml(COMPOSE);
    let services = object(&compose["services"], "services");
    let names: BTreeSet<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["alertmanager", "amalgam", "grafana", "mariadb", "postgres", "prometheus"]));
    let top: BTreeSet<&str> = object(&compose, "the file").keys().map(String::as_str).collect();
    assert_eq!(top, BTreeSet::from(["name", "secrets", "services", "volumes"]));
    for (name, service) in services {
        assert_eq!(misshapen(name, object(service, name)), Vec::<String>::new());
        assert!(service["image"].as_str().is_some_and(has_version), "{name}: {}", service["image"]);
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        // Ours is checked by its image.
        let checked = texts(&service["healthcheck"]["test"]).first() == Some(&"CMD");
        assert!(checked || name == "amalgam", "{name} has no check of its health");
        for volume in texts(&service["volumes"]) {
            let from = volume.split(':').next().unwrap_or_default();
            let is_there = match from.strip_prefix("./") {
                Some(file) => Path::new("deploy").join(file).is_file() && volume.ends_with(":ro"),
                None => compose["volumes"].get(from).is_some(),
            };
            assert!(is_there, "{name}: {volume}");
        }
        for secret in texts(&service["secrets"]) {
            assert!(compose["secrets"].get(secret).is_some(), "{name}: {secret}");
        }
        for other in service["depends_on"].as_object().into_iter().flat_map(Map::keys) {
            assert!(services[other].get("healthcheck").is_some(), "{name} waits for {other}");
        }
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port} is open to the network");
        }
    }
}

#[test]
fn a_service_that_is_misshapen_is_found() {
    for (key, value) in [
        ("imagee", serde_json::json!("postgres:15.14")),
        ("ports", serde_json::json!("9090:9090")),
        ("healthcheck", serde_json::json!({ "test": ["CMD", "true"], "interval": 5, "timeout": "5s", "retries": 3 })),
        ("depends_on", serde_json::json!(["postgres"])),
    ] {
        let service = Map::from_iter([(key.to_owned(), value)]);
        assert_eq!(misshapen("x", &service).len(), 1, "{key}");
    }
    assert!(["postgres", "postgres:latest", "postgres:15"].iter().all(|image| !has_version(image)));
    assert!(has_version("prom/prometheus:v3.5.0"));
}

#[test]
fn no_secret_stands_in_what_is_deployed() {
    let compose = yaml(COMPOSE);
    for (name, secret) in object(&compose["secrets"], "secrets") {
        assert_eq!(secret["file"], format!("./secrets/{name}"));
    }
    for (name, service) in object(&compose["services"], "services") {
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            let is_secret = ["PASSWORD", "SECRET", "TOKEN", "URL"].iter().any(|word| key.contains(word));
            let is_file = value.as_str().is_some_and(|path| path.starts_with("/run/secrets/"));
            assert!(!is_secret || (key.contains("_FILE") && is_file), "{name}: {key}");
        }
    }
    assert!(read(".gitignore").lines().any(|line| line == "/deploy/secrets/"));
    assert!(read(".dockerignore").lines().any(|line| line == "deploy/secrets"));
}

/// What the containers set is what the program knows: it reads the same file and environment here.
#[test]
fn the_program_takes_the_configuration_of_its_container() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let password = folder.path().join("password");
    fs::write(&password, "a\n").expect("a file can be written");
    let compose = yaml(COMPOSE);
    let mut command = Command::new(env!("CARGO_BIN_EXE_amalgam"));
    // The image has the models at another place: see its COPY.
    command.args([
        "--config",
        "deploy/compose/amalgam.toml",
        "--set",
        "models.project_dir=sql_models",
        "config",
        "check",
    ]);
    for (key, value) in object(&compose["services"]["amalgam"]["environment"], "environment") {
        let value = value.as_str().expect("a text");
        // A secret is a file there, and another one here.
        let value = if key.ends_with("_FILE") { password.as_os_str() } else { value.as_ref() };
        command.env(key, value);
    }
    for setting in read(DOCKERFILE).lines().find_map(|line| line.strip_prefix("ENV ")).expect("one line").split(' ') {
        let (key, value) = setting.split_once('=').expect("KEY=VALUE");
        if key != "AMALGAM_CONFIG" {
            command.env(key, value);
        }
    }
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_image_is_built_from_what_is_there_and_runs_without_rights() {
    let text = read(DOCKERFILE);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let after = |word: &str| lines.iter().filter_map(|l| l.strip_prefix(word)).map(str::trim).collect::<Vec<_>>();
    let from = after("FROM ");
    assert!(
        from.len() == 2 && from.iter().all(|image| has_version(image.split(' ').next().unwrap_or_default())),
        "{from:?}"
    );
    for copied in after("COPY ").iter().filter(|copied| !copied.starts_with("--from")) {
        let mut words: Vec<&str> = copied.split(' ').collect();
        words.pop();
        for file in words {
            assert!(Path::new(file).exists(), "COPY {file}");
        }
    }
    assert_eq!(after("USER "), ["amalgam"]);
    assert_eq!((after("ENTRYPOINT "), after("CMD ")), (vec!["[\"/usr/bin/amalgam\"]"], vec!["[\"serve\"]"]));
    assert_eq!((after("HEALTHCHECK ").len(), after("STOPSIGNAL ")), (1, vec!["SIGTERM"]));
    // The compiler is the one that the crate asks for.
    let wanted = read("Cargo.toml").lines().find_map(|l| l.strip_prefix("rust-version = ").map(str::to_owned));
    let wanted = wanted.expect("Cargo.toml names it");
    assert!(from[0].starts_with(&format!("rust:{}", wanted.trim_matches('"'))), "{}", from[0]);
}

#[test]
fn prometheus_and_alertmanager_take_their_configurations() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    // As it is mounted: the rules lie beside it.
    let text = read("deploy/compose/prometheus.yml").replace("/etc/prometheus/amalgam.rules.yml", "amalgam.rules.yml");
    fs::write(folder.path().join("prometheus.yml"), text).expect("a file can be written");
    fs::copy("deploy/prometheus/amalgam.rules.yml", folder.path().join("amalgam.rules.yml")).expect("it can be copied");
    let checked = Command::new("promtool").args(["check", "config"]).arg(folder.path().join("prometheus.yml")).output();
    let checked = checked.expect("scripts/prerequisites installs promtool");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let alertmanager = yaml("deploy/compose/alertmanager.yml");
    let receivers: Vec<&Value> =
        alertmanager["receivers"].as_array().expect("a list").iter().map(|r| &r["name"]).collect();
    assert!(receivers.contains(&&alertmanager["route"]["receiver"]));
    assert_eq!(yaml("deploy/compose/grafana.yml")["datasources"][0]["url"], "http://prometheus:9090");
}

#[test]
fn docker_compose_reads_the_file_where_there_is_one() {
    let is_there = Command::new("docker").args(["compose", "version"]).output().is_ok_and(|o| o.status.success());
    if !is_there {
        eprintln!("NOT COVERED on this machine: there is no docker compose to read {COMPOSE}; its structure is tested");
        return;
    }
    let read = Command::new("docker").args(["compose", "--file", COMPOSE, "config", "--quiet"]).output();
    let read = read.expect("it was there a moment ago");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}
