//! The units of `systemd/`, as files.

use std::process::Command;

pub(super) const SERVICE: &str = "systemd/amalgam.service";
const UNITS: [&str; 2] = [SERVICE, "systemd/amalgam-failure@.service"];
/// What `systemd-analyze security` may say at most.
const EXPOSURE_MAX: f64 = 1.5;

pub(super) fn analyze(arguments: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(arguments).env("SYSTEMD_COLORS", "0").output();
    let output = output.expect("scripts/prerequisites installs systemd for systemd-analyze");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What the unit says for a key, in its order.
pub(super) fn settings(unit: &str, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(unit).expect("the unit is part of the repository");
    let value = |line: &str| line.split_once('=').filter(|(k, _)| *k == key).map(|(_, value)| value.to_owned());
    text.lines().filter_map(value).collect()
}

#[test]
fn the_units_are_exposed_to_little() {
    for unit in UNITS {
        let told = analyze(&["security", "--offline=true", "--no-pager", unit]);
        let exposure = told.split("Overall exposure level for").nth(1).and_then(|rest| rest.split(": ").nth(1));
        let exposure: f64 = exposure
            .and_then(|rest| rest.split(' ').next())
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{unit}: no level is told: {told}"));
        assert!(exposure <= EXPOSURE_MAX, "{unit}: {exposure}\n{told}");
    }
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    for unit in UNITS {
        let told = analyze(&["verify", "--man=no", "--recursive-errors=no", unit]);
        // The program is installed by the package, not by the tests.
        let wrong: Vec<&str> = told.lines().filter(|line| !line.contains("is not executable")).collect();
        assert!(wrong.is_empty(), "{unit}: {wrong:#?}");
    }
}

#[test]
fn the_service_says_how_it_does_is_started_again_and_tells_when_it_has_failed() {
    for (key, value) in [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("WatchdogSec", "60s"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "2"),
        ("StartLimitBurst", "10"),
        ("OnFailure", "amalgam-failure@%n.service"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("StateDirectory", "amalgam"),
        ("RuntimeDirectory", "amalgam"),
        ("ConfigurationDirectory", "amalgam"),
    ] {
        assert_eq!(settings(SERVICE, key), [value], "{key}");
    }
    let loaded: Vec<String> = settings(SERVICE, "LoadCredential")
        .iter()
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect();
    assert_eq!(loaded, ["source_password", "warehouse_password"]);
}

/// What is under way has 4 seconds, connections of watchers one, goodbyes to the databases some more.
#[test]
fn the_service_has_time_to_stop() {
    let [stop] = &settings(SERVICE, "TimeoutStopSec")[..] else { panic!("one time to stop") };
    let seconds: u64 = stop.trim_end_matches('s').parse().expect("seconds");
    assert!(seconds >= crate::daemon::STOP_MAX.as_secs(), "{stop}");
}

/// The program that is run when the service has failed: the journal, a bundle, and whoever is to be told.
#[test]
fn a_failure_is_told_with_a_bundle_to_whom_the_administrator_names() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = |name: &str| folder.path().join(name).display().to_string();
    // Put in place by another process: a file that this one has open for writing is for a moment open in each child
    // that a test beside this one starts, and such a file can't be executed (ETXTBSY).
    let program = |name: &str, text: &str| {
        std::fs::write(path("text"), format!("#!/bin/sh\n{text}\n")).expect("a file can be written");
        let installed = Command::new("install").args(["-m", "755", &path("text"), &path(name)]).status();
        assert!(installed.expect("install is there").success(), "{name}");
    };
    program("amalgam", "[ \"$1 $2\" = 'support --output' ] && : > \"$3\"");
    program("on-failure", &format!("echo \"$1 $2\" > {}", path("told")));
    for number in 0..7 {
        std::fs::write(path(&format!("support-2026010{number}T000000Z.tar.gz")), "").expect("a file can be written");
    }
    let output = Command::new("deploy/debian/failure")
        .arg("amalgam.service")
        .env("STATE_DIRECTORY", folder.path())
        .env("CONFIGURATION_DIRECTORY", folder.path())
        .env("AMALGAM", path("amalgam"))
        .output()
        .expect("sh is there");
    let logged = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && logged.starts_with("<2>amalgam.service has failed"), "{logged}");
    let told = std::fs::read_to_string(path("told")).expect("the administrator's program was run");
    let bundle = told.trim().strip_prefix("amalgam.service ").expect("the unit and the bundle");
    assert!(std::path::Path::new(bundle).exists(), "{told}");
    let bundles = std::fs::read_dir(folder.path()).expect("it can be listed").filter_map(Result::ok);
    assert_eq!(bundles.filter(|entry| entry.file_name().to_string_lossy().starts_with("support-")).count(), 5);
}
