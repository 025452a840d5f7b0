//! What the repository says about itself is true: dependencies are accounted for, links lead somewhere.

use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in the dependency sections of a Cargo.toml.
fn declared(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if matches!(section, "dependencies" | "dev-dependencies")
            && let Some((name, _)) = line.split_once('=')
        {
            names.insert(name.trim().to_owned());
        }
    }
    names
}

/// The names in the first column of a page's tables.
fn accounted(page: &str) -> BTreeSet<String> {
    let name = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    page.lines().filter_map(name).collect()
}

#[test]
fn every_direct_dependency_is_accounted_for() {
    assert_eq!(accounted(&read("docs/dependencies.md")), declared(&read("Cargo.toml")));
}

#[test]
fn the_suite_is_built_with_all_features_and_what_is_handed_out_with_none() {
    let features: BTreeSet<String> = Figment::from(Toml::file("Cargo.toml"))
        .extract_inner::<BTreeMap<String, Vec<String>>>("features")
        .expect("there are features")
        .into_keys()
        .collect();
    // No `default` among them.
    assert_eq!(features, ["otel"].map(str::to_owned).into());
    let makefile = read("Makefile");
    assert!(makefile.contains("\nALL := --features otel\n"));
    for line in makefile.lines().filter(|line| line.contains("$(CARGO) ")) {
        let is_of_suite = ["$(CARGO) test", "$(CARGO) doc", "--all-targets"].iter().any(|word| line.contains(word));
        assert_eq!(line.contains("$(ALL)"), is_of_suite, "{line}");
    }
    for file in ["deploy/Dockerfile", "scripts/package"] {
        assert!(!read(file).contains("otel"), "{file}");
    }
}

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Locked {
    name: String,
    source: Option<String>,
}

fn locked() -> Vec<Locked> {
    Figment::from(Toml::file("Cargo.lock")).extract_inner("package").expect("the lock file names packages")
}

fn deny<'a, T: Deserialize<'a>>(key: &str) -> T {
    Figment::from(Toml::file("deny.toml")).extract_inner(key).unwrap_or_else(|error| panic!("deny.toml: {error}"))
}

#[test]
fn tls_is_spoken_by_rustls_alone() {
    #[derive(Deserialize)]
    struct Banned {
        #[serde(rename = "crate")]
        name: String,
    }
    let banned: Vec<Banned> = deny("bans.deny");
    let is_banned = |name: &str| {
        let by_page = banned.iter().any(|b| b.name == name);
        // The probe knows where a system keeps its authorities, and no cryptography.
        let openssl = name.starts_with("openssl") && name != "openssl-probe";
        by_page || openssl || name.starts_with("native-tls") || name.starts_with("aws-lc")
    };
    assert!(is_banned("openssl-sys") && is_banned("aws-lc-rs") && !is_banned("ring"));
    let found: Vec<String> = locked().into_iter().map(|p| p.name).filter(|name| is_banned(name)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let elsewhere: Vec<String> = locked()
        .into_iter()
        .filter(|p| p.source.as_deref() != Some(CRATES_IO) && p.name != "amalgam")
        .map(|p| p.name)
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

/// Whether an SPDX expression can be met with what is allowed; some old crates write `/` for `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "-WITH-");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, allowed);
    assert!(words.next().is_none(), "no licence expression: {expression}");
    met
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    match words.next() {
        Some("(") => {
            let met = any(words, allowed);
            assert_eq!(words.next(), Some(")"));
            met
        }
        word => allowed.contains(&word.unwrap_or_default().replace("-WITH-", " WITH ")),
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_says() {
    let allowed: BTreeSet<String> = ["MIT", "ISC"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT AND ISC", true),
        ("(GPL-3.0-only OR MIT) AND Zlib", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT WITH nothing", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn every_dependency_says_a_licence_that_is_allowed() {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
        resolve: Resolve,
    }
    #[derive(Deserialize)]
    struct Package {
        id: String,
        name: String,
        license: Option<String>,
    }
    #[derive(Deserialize)]
    struct Resolve {
        nodes: Vec<Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        id: String,
    }
    // Of this platform: these are what was downloaded to build the test, so no network is needed.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--locked",
            "--offline",
            "--all-features",
            "--format-version",
            "1",
            "--filter-platform",
            &platform,
        ])
        .output()
        .expect("cargo is there: it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo speaks JSON");
    let allowed: BTreeSet<String> = deny("licenses.allow");
    let used: BTreeSet<&str> = metadata.resolve.nodes.iter().map(|n| n.id.as_str()).collect();
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter(|p| used.contains(p.id.as_str()))
        .filter(|p| !is_allowed(p.license.as_deref().unwrap_or_default(), &allowed))
        .map(|p| format!("{}: {:?}", p.name, p.license))
        .collect();
    assert!(used.len() > 100, "{}", used.len());
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// The targets of a page's links that are files, seen from the repository's root.
fn links(page: &Path) -> Vec<PathBuf> {
    let folder = page.parent().expect("a page lies in a folder");
    read(page)
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(' '))
        .map(|target| folder.join(target))
        .collect()
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| path.is_dir());
    let mut found: Vec<PathBuf> = files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "md")).collect();
    found.extend(folders.iter().flat_map(|folder| pages(folder)));
    found
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let roots = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from);
    let broken: Vec<String> = roots
        .into_iter()
        .chain(pages(Path::new("docs")))
        .flat_map(|page| links(&page).into_iter().map(move |target| (page.clone(), target)))
        .filter(|(_, target)| !target.exists())
        .map(|(page, target)| format!("{}: {}", page.display(), target.display()))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
