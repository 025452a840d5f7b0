//! Packages fetched and installed: from folders, repositories, archives, and a hub of the test's own.

use super::{Shop, command::said};
use axum::{Router, http::StatusCode, routing::any};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{net::TcpListener, task::JoinSet};

/// A hub, which ends when it is dropped.
struct Hub {
    address: String,
    pages: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    _serving: JoinSet<()>,
}

impl Hub {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = format!("http://{}/", listener.local_addr().expect("it has an address"));
        let pages: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let shared = Arc::clone(&pages);
        let answer = async move |uri: axum::http::Uri| {
            let pages = shared.lock().unwrap_or_else(PoisonError::into_inner);
            pages.get(uri.path()).cloned().ok_or(StatusCode::NOT_FOUND)
        };
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, Router::new().fallback(any(answer))).await.expect("it serves");
        });
        Self { address, pages, _serving: serving }
    }

    fn put(&self, path: &str, bytes: Vec<u8>) {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("/{path}"), bytes);
    }

    /// Offers versions of a package, each with what it asks for; each has the macro `which`, which says its version.
    fn offer(&self, name: &str, versions: &[(&str, Value)]) {
        let project = name.rsplit('/').next().unwrap_or(name);
        let mut all = Map::new();
        for (version, asked) in versions {
            let archive = format!("archives/{name}-{version}.tar.gz");
            let about = json!({
                "name": project, "packages": asked, "require_dbt_version": [">=1.3.0", "<2.0.0"],
                "downloads": {"tarball": format!("{}{archive}", self.address)},
            });
            all.insert((*version).to_owned(), about);
            let file = |name: &str| format!("{project}-{version}/{name}");
            let files = [
                (file("dbt_project.yml"), format!("name: {project}\nversion: {version}\n")),
                (file("macros/which.sql"), format!("{{% macro which() %}}'{project} {version}'{{% endmacro %}}")),
            ];
            self.put(&archive, packed(&files));
        }
        let page = json!({"name": project, "namespace": "acme", "versions": all});
        self.put(&format!("api/v1/{name}.json"), page.to_string().into_bytes());
    }
}

fn packed(files: &[(String, String)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // Past the checks of the writer: a hostile archive has none.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, text.as_bytes()).expect("written");
    }
    tar.into_inner().and_then(GzEncoder::finish).expect("written")
}

fn git(folder: &Path, words: &[&str]) {
    let who = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main"];
    let done = Command::new("git").arg("-C").arg(folder).args(who).args(words).output().expect("git is there");
    assert!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn package(folder: &Path, name: &str) {
    std::fs::create_dir_all(folder.join("macros")).expect("made");
    std::fs::write(folder.join("dbt_project.yml"), format!("name: {name}\n")).expect("written");
    let text = format!("{{% macro which() %}}'{name} 1'{{% endmacro %}}");
    std::fs::write(folder.join("macros/which.sql"), text).expect("written");
}

/// A repository with a tag `v1`, and a branch `main` on which the macro says 2.
fn repository(folder: PathBuf) -> PathBuf {
    package(&folder, "repo");
    package(&folder.join("below"), "inner");
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "one"]);
    git(&folder, &["tag", "v1"]);
    std::fs::write(folder.join("macros/which.sql"), "{% macro which() %}'repo 2'{% endmacro %}").expect("written");
    git(&folder, &["commit", "--quiet", "-a", "-m", "two"]);
    folder
}

impl Shop {
    fn deps(&self, hub: &Hub, words: &[&str]) -> tokio::process::Command {
        let mut command = self.models(&[&["deps"], words].concat());
        command.env("DBT_PACKAGE_HUB_URL", &hub.address);
        command
    }

    /// What the macro `which` of each package says.
    async fn which(&self, packages: &[&str]) -> String {
        let calls: Vec<String> = packages.iter().map(|p| format!("{{{{ {p}.which() }}}}")).collect();
        self.write("models/which.sql", &format!("select concat_ws(', ', {}) as says", calls.join(", ")));
        let (out, _) = said(self.models(&["compile", "--select", "which"]), 0).await;
        out.trim().trim_start_matches("select concat_ws(', ', ").trim_end_matches(") as says").to_owned()
    }

    fn lock(&self) -> String {
        std::fs::read_to_string(self.root().join("package-lock.yml")).expect("there is a lock")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_every_kind_are_installed_and_used() {
    let shop = Shop::open("models_deps").await;
    let hub = Hub::open().await;
    let repo = repository(shop.bench.files().join("repo")).display().to_string();
    package(&shop.bench.files().join("near"), "near");
    let asks = json!([{"package": "acme/base", "version": [">=0.1.0", "<0.3.0"]}]);
    hub.offer("acme/base", &[("0.1.0", json!([])), ("0.2.0", json!([])), ("0.3.0", json!([]))]);
    hub.offer("acme/tools", &[("1.0.0", json!([])), ("1.2.0", asks), ("2.0.0-rc1", json!([]))]);
    let files = [("odd-1/dbt_project.yml".to_owned(), "name: odd".to_owned())];
    hub.put("odd.tar.gz", packed(&files));
    let list = format!(
        "packages:\n  - local: ../near\n  - package: acme/tools\n    version: \">=1.0.0\"\n  \
         - git: \"{{{{ env_var('REPO') }}}}\"\n    revision: \"{{{{ var('tag', 'v1') }}}}\"\n  \
         - git: file://{repo}\n    subdirectory: below\n    revision: main\n  \
         - tarball: {}odd.tar.gz\n    name: odd\n",
        hub.address
    );
    shop.write("packages.yml", &list);
    let deps = |words: &[&str]| {
        let mut command = shop.deps(&hub, words);
        command.env("REPO", &repo);
        command
    };
    let (out, errors) = said(deps(&[]), 0).await;
    assert!(errors.contains("warning: git package file://") && errors.contains("main may change any day"), "{errors}");
    let first: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().next()).skip(1).collect();
    assert_eq!(first, ["near", "tools", "repo", "inner", "odd", "base"], "{out}");
    assert!(shop.root().join("dbt_packages/near").is_symlink());
    assert!(!shop.root().join("dbt_packages/repo/.git").exists());
    let used = ["near", "tools", "repo", "inner", "base"];
    assert_eq!(shop.which(&used).await, "'near 1', 'tools 1.2.0', 'repo 1', 'inner 1', 'base 0.2.0'");
    let lock = shop.lock();
    assert!(lock.contains("  - git: '{{ env_var(''REPO'') }}'\n    name: repo\n    revision: "), "{lock}");
    assert!(lock.contains("  - name: base\n    package: acme/base\n    version: 0.2.0\nsha1_hash: "), "{lock}");

    // What the lock names stays, until somebody asks for newer versions or changes the list.
    hub.offer("acme/tools", &[("1.2.0", json!([])), ("1.3.0", json!([{"package": "acme/base", "version": "0.1.0"}]))]);
    let (out, _) = said(deps(&[]), 0).await;
    assert!(out.contains("tools    hub      1.2.0") && out.contains("1.3.0"), "{out}");
    assert_eq!((shop.which(&["tools", "base"]).await, shop.lock()), ("'tools 1.2.0', 'base 0.2.0'".to_owned(), lock));
    said(deps(&["--upgrade"]), 0).await;
    assert_eq!(shop.which(&["tools", "base"]).await, "'tools 1.3.0', 'base 0.1.0'");
    said(deps(&["--vars", "{tag: main}"]), 0).await;
    assert_eq!(shop.which(&["repo"]).await, "'repo 2'");
    let left: Vec<_> = std::fs::read_dir(shop.root()).expect("it is there").flatten().map(|e| e.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_had_leaves_what_is_installed() {
    let shop = Shop::open("models_deps_fail").await;
    let hub = Hub::open().await;
    let repo = repository(shop.bench.files().join("repo")).display().to_string();
    hub.offer("acme/base", &[("0.1.0", json!([])), ("0.2.0", json!([]))]);
    hub.offer("acme/tools", &[("1.0.0", json!([{"package": "acme/base", "version": "<0.2.0"}]))]);
    shop.write("packages.yml", "packages: [{package: acme/base, version: 0.1.0}]");
    said(shop.deps(&hub, &[]), 0).await;
    let lock = shop.lock();
    let hostile = |name: &str| {
        let members = [("odd-1/dbt_project.yml", "name: odd"), (name, "x")];
        packed(&members.map(|(name, text)| (name.to_owned(), text.to_owned())))
    };
    hub.put("up.tar.gz", hostile("odd-1/../../../up"));
    hub.put("absolute.tar.gz", hostile("/tmp/amalgam-absolute"));
    hub.put("no.tar.gz", b"no archive".to_vec());
    let tarball = |name: &str| format!("{{tarball: '{}{name}', name: odd}}", hub.address);
    for (entry, told) in [
        (tarball("up.tar.gz"), "it holds odd-1/../../../up, which leads out of its folder"),
        (tarball("absolute.tar.gz"), "it holds /tmp/amalgam-absolute, which leads out of its folder"),
        (tarball("no.tar.gz"), "no.tar.gz: it can't be unpacked"),
        (tarball("none.tar.gz"), "none.tar.gz: 404 Not Found"),
        ("{package: acme/none, version: 1.0.0}".to_owned(), "api/v1/acme/none.json: the hub knows no such package"),
        ("{package: acme/tools, version: 3.0.0}".to_owned(), "package acme/tools: no version is as asked: 3.0.0"),
        (
            "{package: acme/base, version: 0.2.0}, {package: acme/tools, version: 1.0.0}".to_owned(),
            "no version is as asked: 0.2.0 (packages.yml) and <0.2.0 (package tools)",
        ),
        (format!("{{git: '{repo}', revision: v7}}"), "it has no tag, branch or commit 'v7'"),
        (format!("{{git: '{repo}', revision: v1, subdirectory: ../..}}"), "there is no folder '../..' in it"),
        (format!("{{git: '{repo}/none'}}"), "git fetch: fatal:"),
        (
            format!("{{git: '{repo}', revision: v1}}, {{git: '{repo}', revision: main}}"),
            "packages.yml asks for revision v1, and packages.yml for main",
        ),
        ("{local: ../none}".to_owned(), "package ../none: there is no dbt_project.yml in"),
        ("{local: .}".to_owned(), "package . has the name of the project itself, 'p'"),
    ] {
        shop.write("packages.yml", &format!("packages: [{entry}]"));
        let (out, errors) = said(shop.deps(&hub, &[]), 2).await;
        assert!(out.is_empty() && errors.contains(told), "{entry}: {errors}");
        assert!(errors.contains("what is installed stays as it is"), "{errors}");
        shop.write("packages.yml", "packages: [{package: acme/base, version: 0.1.0}]");
        assert_eq!((shop.which(&["base"]).await, shop.lock()), ("'base 0.1.0'".to_owned(), lock.clone()), "{entry}");
    }
    assert!(!Path::new("/tmp/amalgam-absolute").exists());
    shop.write("packages.yml", "packages: []");
    shop.write("dbt_project.yml", "name: p\npackages-install-path: .\n");
    let (_, errors) = said(shop.deps(&hub, &[]), 2).await;
    assert!(errors.contains("would be replaced, and the project is in it"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_added_and_the_lock_written_alone() {
    let shop = Shop::open("models_deps_add").await;
    let hub = Hub::open().await;
    hub.offer("acme/base", &[("0.1.0", json!([])), ("0.2.0", json!([]))]);
    package(&shop.bench.files().join("near"), "near");
    let list = || std::fs::read_to_string(shop.root().join("packages.yml")).expect("it is there");
    said(shop.deps(&hub, &["--add-package", "acme/base@0.1.0"]), 0).await;
    assert_eq!(list(), "packages:\n  - package: acme/base\n    version: 0.1.0\n");
    assert_eq!(shop.which(&["base"]).await, "'base 0.1.0'");
    let (_, errors) = said(shop.deps(&hub, &["--lock", "--add-package", "../near", "--source", "local"]), 0).await;
    assert!(errors.contains("2 packages written into package-lock.yml"), "{errors}");
    assert!(shop.lock().contains("  - local: ../near\n    name: near\n"), "{}", shop.lock());
    assert!(!shop.root().join("dbt_packages/near").exists());
    let (_, errors) = said(shop.deps(&hub, &["--lock"]), 0).await;
    assert!(errors.contains("package-lock.yml stays as it is"), "{errors}");
    let (_, errors) = said(shop.deps(&hub, &["--add-package", "acme/base"]), 2).await;
    assert!(errors.contains("write the version behind an @"), "{errors}");
    said(shop.deps(&hub, &[]), 0).await;
    // What is installed needs no hub.
    drop(hub);
    assert_eq!(shop.which(&["base", "near"]).await, "'base 0.1.0', 'near 1'");
}
