//! The Debian package: installed, upgraded, removed and purged by the real dpkg below a folder of its own.
//!
//! Built by `dpkg-deb` from the list that cargo-deb reads (`[package.metadata.deb]`), because cargo-deb is not
//! on every machine. What the maintainer scripts ask of systemd and of the user database is answered by
//! stand-ins that write it down.

use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata {
    maintainer: String,
    section: String,
    priority: String,
    depends: String,
    recommends: String,
    conf_files: Vec<String>,
    maintainer_scripts: PathBuf,
    assets: Vec<(String, String, String)>,
}

fn metadata() -> Metadata {
    Figment::from(Toml::file("Cargo.toml")).extract_inner("package.metadata.deb").expect("Cargo.toml lists the files")
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    output
}

/// As root, or as if: files of a package are root's.
fn as_root(program: &str) -> Command {
    let id = String::from_utf8(run(Command::new("id").arg("-u")).stdout).expect("a number");
    if id.trim() == "0" {
        return Command::new(program);
    }
    let mut command = Command::new("fakeroot");
    command.arg(program);
    command
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder can be made");
    fs::write(path, text).expect("a file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
}

/// Everything below a folder, seen from there.
fn below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).expect("it can be listed").filter_map(Result::ok) {
            let path = entry.path();
            found.insert(path.strip_prefix(folder).expect("it was found there").display().to_string());
            if path.is_dir() && !path.is_symlink() {
                todo.push(path);
            }
        }
    }
    found
}

/// A folder with a package of each version that is asked for.
struct Builder {
    folder: tempfile::TempDir,
    generated: PathBuf,
}

impl Builder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let generated = folder.path().join("generated");
        let amalgam = || Command::new(env!("CARGO_BIN_EXE_amalgam"));
        run(amalgam().arg("man").arg(generated.join("man")));
        for (shell, name) in [("bash", "amalgam.bash"), ("zsh", "_amalgam"), ("fish", "amalgam.fish")] {
            let script = run(amalgam().args(["completions", shell])).stdout;
            write(&generated.join("completions").join(name), &String::from_utf8(script).expect("text"), 0o644);
        }
        Self { folder, generated }
    }

    /// The files that an asset names, and where each is put.
    fn files(&self, source: &str, target: &str) -> Vec<(PathBuf, String)> {
        let place = |name: &str| if target.ends_with('/') { format!("{target}{name}") } else { target.to_owned() };
        let name = |path: &Path| path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        if source == "target/release/amalgam" {
            // A program is put into the package as it is, and this one is large.
            return vec![(PathBuf::from("tests/it/service/program.sh"), place("amalgam"))];
        }
        let source = match source.strip_prefix("target/package/") {
            Some(rest) => self.generated.join(rest),
            None => PathBuf::from(source),
        };
        let text = source.display().to_string();
        if let Some(base) = text.strip_suffix("/**/*") {
            let inner = below(Path::new(base)).into_iter().filter(|path| Path::new(base).join(path).is_file());
            return inner.map(|path| (Path::new(base).join(&path), place(&path))).collect();
        }
        if let Some((base, ending)) = text.split_once("/*") {
            let inner = below(Path::new(base)).into_iter().filter(|path| path.ends_with(ending));
            return inner.map(|path| (Path::new(base).join(&path), place(&path))).collect();
        }
        vec![(source.clone(), place(&name(&source)))]
    }

    fn build(&self, version: &str) -> PathBuf {
        let metadata = metadata();
        let tree = self.folder.path().join(format!("tree-{version}"));
        for (source, target, mode) in &metadata.assets {
            let files = self.files(source, target);
            assert!(!files.is_empty(), "{source} names no file");
            for (file, place) in files {
                let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                let place = tree.join(place);
                fs::create_dir_all(place.parent().expect("it has a folder")).expect("a folder can be made");
                fs::write(&place, bytes).expect("a file can be written");
                let mode = u32::from_str_radix(mode, 8).expect("a mode is octal");
                fs::set_permissions(&place, fs::Permissions::from_mode(mode)).expect("its mode can be set");
            }
        }
        let Metadata { maintainer, section, priority, depends, recommends, .. } = &metadata;
        let control = format!(
            "Package: amalgam\nVersion: {version}\nArchitecture: all\nMaintainer: {maintainer}\nSection: {section}\n\
             Priority: {priority}\nDepends: {depends}\nRecommends: {recommends}\nDescription: a test's\n"
        );
        write(&tree.join("DEBIAN/control"), &control, 0o644);
        write(&tree.join("DEBIAN/conffiles"), &(metadata.conf_files.join("\n") + "\n"), 0o644);
        for script in ["postinst", "prerm", "postrm"] {
            let text = fs::read_to_string(metadata.maintainer_scripts.join(script)).expect("the script is there");
            write(&tree.join("DEBIAN").join(script), &text, 0o755);
        }
        let package = self.folder.path().join(format!("amalgam_{version}.deb"));
        run(Command::new("dpkg-deb").args(["--root-owner-group", "-Znone", "--build"]).arg(&tree).arg(&package));
        package
    }
}

/// A machine as far as a package can tell: a folder, and stand-ins.
struct Machine {
    folder: tempfile::TempDir,
    before: BTreeSet<String>,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let root = folder.path().join("root");
        for part in ["info", "updates", "triggers", "alternatives"] {
            fs::create_dir_all(root.join("var/lib/dpkg").join(part)).expect("a folder can be made");
        }
        for part in ["etc", "usr/bin", "usr/lib", "usr/share", "run/systemd/system", "var/lib"] {
            fs::create_dir_all(root.join(part)).expect("a folder can be made");
        }
        write(&root.join("var/lib/dpkg/status"), "", 0o644);
        let log = folder.path().join("asked").display().to_string();
        let users = folder.path().join("users").display().to_string();
        write(Path::new(&log), "", 0o644);
        write(Path::new(&users), "", 0o644);
        let stand_in = |name: &str, does: &str| {
            let text = format!("#!/bin/sh\necho \"{name} $*\" >>{log}\n{does}\n");
            write(&folder.path().join("stand-ins").join(name), &text, 0o755);
        };
        stand_in("systemctl", "");
        stand_in("deb-systemd-helper", "");
        stand_in("deb-systemd-invoke", "");
        stand_in("adduser", &format!("echo amalgam >>{users}"));
        stand_in("deluser", &format!(": >{users}"));
        stand_in("getent", &format!("grep -qx \"$2\" {users}"));
        let configured = folder.path().join("configured").display().to_string();
        stand_in("amalgam", &format!("[ -e {configured} ]"));
        let before = below(&root);
        Self { folder, before }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// As if the administrator had told the service where the databases are.
    fn configure(&self) {
        write(&self.folder.path().join("configured"), "", 0o644);
    }

    /// What was asked of the machine by one call of dpkg, and what it told.
    fn dpkg(&self, arguments: &[&str]) -> (Vec<String>, String) {
        let log = self.folder.path().join("asked");
        fs::write(&log, "").expect("a file can be written");
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.folder.path().join("stand-ins").display());
        let output = run(as_root("dpkg")
            .arg(format!("--root={}", self.root().display()))
            .args([
                "--force-script-chrootless",
                "--force-not-root",
                "--force-depends",
                "--force-confdef",
                "--force-confold",
            ])
            .args(arguments)
            .env("PATH", path)
            .env("DEBIAN_FRONTEND", "noninteractive"));
        let asked = fs::read_to_string(log).expect("it is text").lines().map(str::to_owned).collect();
        (asked, String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }

    /// What is there and was not before; dpkg's own books left out.
    fn left(&self) -> Vec<String> {
        let is_book = |path: &String| path.starts_with("var/lib/dpkg") || path.starts_with("var/log");
        below(&self.root()).difference(&self.before).filter(|path| !is_book(path)).cloned().collect()
    }

    fn has_user(&self) -> bool {
        !fs::read_to_string(self.folder.path().join("users")).expect("it is text").is_empty()
    }
}

fn asked_for(asked: &[String], begin: &str) -> bool {
    asked.iter().any(|line| line.starts_with(begin))
}

#[test]
fn the_package_installs_starts_upgrades_and_leaves_nothing_after_a_purge() {
    let (builder, machine) = (Builder::new(), Machine::new());
    machine.configure();
    let (asked, _) = machine.dpkg(&["--install", &builder.build("0.1.0").display().to_string()]);
    assert!(machine.has_user() && asked_for(&asked, "deb-systemd-helper unmask amalgam.service"), "{asked:#?}");
    assert!(asked_for(&asked, "deb-systemd-invoke start amalgam.service"), "{asked:#?}");
    for file in [
        "usr/bin/amalgam",
        "etc/amalgam/amalgam.toml",
        "usr/lib/systemd/system/amalgam.service",
        "usr/lib/systemd/system/amalgam-failure@.service",
        "usr/lib/amalgam/failure",
        "usr/share/man/man1/amalgam-serve.1",
        "usr/share/bash-completion/completions/amalgam",
        "usr/share/amalgam/sql_models/dbt_project.yml",
        "usr/share/doc/amalgam/configuration.md",
    ] {
        assert!(machine.path(file).is_file(), "{file}: {:#?}", machine.left());
    }
    // What the service keeps.
    write(&machine.path("var/lib/amalgam/support-20260101T000000Z.tar.gz"), "", 0o600);

    let (asked, _) = machine.dpkg(&["--install", &builder.build("0.2.0").display().to_string()]);
    assert!(asked_for(&asked, "systemctl --quiet try-restart amalgam.service"), "{asked:#?}");
    assert!(!asked_for(&asked, "deb-systemd-invoke stop") && !asked_for(&asked, "adduser"), "{asked:#?}");

    let (asked, _) = machine.dpkg(&["--remove", "amalgam"]);
    assert!(asked_for(&asked, "deb-systemd-invoke stop amalgam.service"), "{asked:#?}");
    assert!(!machine.path("usr/bin/amalgam").exists() && machine.path("etc/amalgam/amalgam.toml").exists());

    let (asked, _) = machine.dpkg(&["--purge", "amalgam"]);
    assert!(asked_for(&asked, "deb-systemd-helper purge amalgam.service"), "{asked:#?}");
    assert_eq!((machine.left(), machine.has_user()), (Vec::new(), false));
}

#[test]
fn a_fresh_package_waits_to_be_configured_and_keeps_what_the_administrator_wrote() {
    let (builder, machine) = (Builder::new(), Machine::new());
    let (asked, told) = machine.dpkg(&["--install", &builder.build("0.1.0").display().to_string()]);
    assert!(told.contains("say in /etc/amalgam/amalgam.toml where both databases are"), "{told}");
    assert!(!asked_for(&asked, "deb-systemd-invoke"), "{asked:#?}");
    let mine = "[source]\nuser = \"mine\"\n";
    write(&machine.path("etc/amalgam/amalgam.toml"), mine, 0o644);
    write(&machine.path("etc/amalgam/source_password"), "hunter2\n", 0o644);
    machine.dpkg(&["--install", &builder.build("0.2.0").display().to_string()]);
    let kept = fs::read_to_string(machine.path("etc/amalgam/amalgam.toml")).expect("it is kept");
    assert_eq!(kept, mine);
    let mode = fs::metadata(machine.path("etc/amalgam/source_password")).expect("it is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads a password");
    machine.dpkg(&["--purge", "amalgam"]);
    assert_eq!(machine.left(), ["etc/amalgam", "etc/amalgam/source_password"], "what is the administrator's stays");
}

/// With the machine's own adduser and deb-systemd-helper, on a layer over it that is thrown away.
#[test]
fn the_package_comes_and_goes_on_this_machine_where_it_lets_us_lay_a_layer_over_it() {
    let builder = Builder::new();
    let (package, folder) = (builder.build("0.1.0"), tempfile::tempdir().expect("a folder can be made"));
    let output = Command::new("unshare")
        .args(["--mount", "tests/it/service/machine.sh"])
        .arg(folder.path())
        .arg(package)
        .output();
    let output = output.expect("util-linux is everywhere");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || told.contains("unshare failed") {
        eprintln!("NOT COVERED on this machine: it lets nobody mount, so only stand-ins for adduser are asked");
        return;
    }
    assert!(output.status.success(), "{told}");
}

/// What the commands of a group say of themselves, and the pages and words that a shell knows of them.
#[test]
fn every_command_has_its_page_and_its_completion() {
    let builder = Builder::new();
    let told = run(Command::new(env!("CARGO_BIN_EXE_amalgam")).arg("--help")).stdout;
    let told = String::from_utf8(told).expect("help is text");
    let listed = told.split_once("Commands:\n").and_then(|(_, rest)| rest.split_once("\n\n")).expect("a list").0;
    let command = |line: &str| {
        line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?.split(' ').next().map(str::to_owned)
    };
    let commands: Vec<String> = listed.lines().filter_map(command).filter(|name| name != "help").collect();
    assert!(commands.len() > 12, "{commands:?}");
    let script = builder.generated.join("completions/amalgam.bash");
    run(Command::new("bash").arg("-n").arg(&script));
    let completed = |words: &str| {
        let line = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _amalgam amalgam \"${{COMP_WORDS[COMP_CWORD]}}\" amalgam; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        String::from_utf8(run(Command::new("bash").args(["-c", &line])).stdout).expect("words")
    };
    let offered = completed("amalgam ''");
    for command in &commands {
        assert!(offered.split_whitespace().any(|word| word == command), "{command}: {offered}");
        let page = builder.generated.join(format!("man/amalgam-{command}.1"));
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(completed("amalgam sync --rec").contains("--reconcile"));
}

/// cargo-deb itself is not run here: it would build a release.
#[test]
fn the_scripts_and_conffiles_that_cargo_deb_reads_are_there_and_sound() {
    let metadata = metadata();
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(metadata.maintainer_scripts.join(script)));
    }
    for file in &metadata.conf_files {
        let is_asset = |(source, target, _): &(String, String, String)| {
            source.ends_with("amalgam.toml") && format!("/{target}amalgam.toml") == *file
        };
        assert!(metadata.assets.iter().any(is_asset), "{file} is no asset");
    }
    // The scripts make the user; the binary is linked to the library.
    assert!(metadata.depends.contains("adduser") && metadata.depends.contains("libc6"));
}
