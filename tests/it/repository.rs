//! What the repository says about itself is true: dependencies are accounted for, links lead somewhere.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
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
