//! The ranks of the rooms, held: a module imports only from lower ranks, a server's client stays in
//! its room, and nothing is dropped with `cascade`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Every room and its rank, as in src/lib.rs.
const RANKS: [(&str, u8); 19] = [
    ("cli", 7),
    ("lifecycle", 6),
    ("http", 5),
    ("demo", 5),
    ("orchestrator", 4),
    ("sync", 3),
    ("models", 3),
    ("source", 2),
    ("warehouse", 2),
    ("state", 2),
    ("notify", 2),
    ("traces", 2),
    ("config", 1),
    ("telemetry", 1),
    ("error", 1),
    ("retry", 1),
    ("dag", 1),
    ("domain", 0),
    ("main", 8),
];

/// Clients of servers, and the paths below src/ that may name them.
const CLIENTS: [(&str, &[&str]); 10] = [
    ("mysql_async", &["source/", "demo/"]),
    ("mysql_common", &["source/wire/"]),
    ("tokio_postgres", &["warehouse/"]),
    ("deadpool_postgres", &["warehouse/"]),
    ("sqlx", &["state/"]),
    ("reqwest", &["notify/", "traces/", "models/packages/"]),
    ("opentelemetry", &["traces/"]),
    ("opentelemetry_otlp", &["traces/"]),
    ("opentelemetry_sdk", &["traces/"]),
    // What an address is, its configuration asks it too.
    ("lettre", &["notify/", "config/notify/"]),
];

/// What is wrong with one Rust file; `path` is seen from src/.
fn violations(path: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let room = path.split('/').next().expect("a path has a first part").trim_end_matches(".rs");
    if room == "lib" {
        return Vec::new();
    }
    let Some(own) = rank(room) else { return vec![format!("{path}: room {room} has no rank")] };
    let mut found = Vec::new();
    for other in imports(&code) {
        match rank(&other) {
            _ if other == room => {}
            Some(rank) if rank < own => {}
            Some(rank) => found.push(format!("{path}: {room} (rank {own}) imports {other} (rank {rank})")),
            None => found.push(format!("{path}: imports {other}, which has no rank")),
        }
    }
    for (client, homes) in CLIENTS {
        if !homes.iter().any(|home| path.starts_with(home)) && names(&code, client) {
            found.push(format!("{path}: {client} stays in {}", homes.join(", ")));
        }
    }
    if drops_with_cascade(&code) {
        found.push(format!("{path}: nothing is dropped with cascade"));
    }
    found
}

fn rank(room: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == room).map(|(_, rank)| *rank)
}

/// Line comments and documentation, which may speak of anything.
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.find("//") {
        // `//` within a text, such as a URL, is no comment.
        Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(|line| code(line) + "\n").collect()
}

/// The rooms that `crate::room` and `crate::{room, …}` name.
fn imports(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            None => drop(rooms.insert(word(rest))),
            Some(group) => {
                let mut depth = 1;
                let mut item = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || (depth == 1 && c == ',') {
                        rooms.insert(word(item.trim()));
                        item.clear();
                    } else {
                        item.push(c);
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    rooms.remove("");
    rooms.remove("self");
    rooms
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether the code names a crate: the word alone, not as a part of another.
fn names(code: &str, name: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(name).any(|(at, _)| {
        let rest = &code[at + name.len()..];
        !part_of_word(code[..at].chars().next_back()) && rest.starts_with("::")
    })
}

/// `on delete cascade` of a foreign key is no drop.
fn drops_with_cascade(code: &str) -> bool {
    let words: Vec<String> = code
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.iter().enumerate().any(|(index, word)| {
        word == "cascade"
            && !(index >= 2 && words[index - 2] == "on" && matches!(&*words[index - 1], "delete" | "update"))
    })
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map(|entry| entry.expect("a folder of the repository can be listed").path()) {
        if entry.is_dir() {
            found.extend(files(&entry, extension));
        } else if entry.extension().is_some_and(|e| e == extension) {
            found.push(entry);
        }
    }
    found
}

#[test]
fn every_module_imports_only_from_lower_ranks() {
    let sources = files(Path::new("src"), "rs");
    assert!(sources.len() > 30, "the sources were found");
    let found: Vec<String> = sources
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix("src").expect("it was found there").display().to_string();
            violations(&path, &fs::read_to_string(file).expect("a source is text"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_sql_file_drops_with_cascade() {
    for file in files(Path::new("src"), "sql").into_iter().chain(files(Path::new("sql_models"), "sql")) {
        let text = fs::read_to_string(&file).expect("SQL is text");
        let code: String =
            text.lines().map(|line| line.split("--").next().unwrap_or_default().to_owned() + "\n").collect();
        assert!(!drops_with_cascade(&code), "{}", file.display());
    }
}

#[test]
fn what_breaks_a_rule_is_found() {
    let wrong = [
        ("domain/name.rs", "use crate::config::Config;"),
        ("config/mod.rs", "use crate::error::Error;"),
        ("sync/mod.rs", "use crate::{\n    config,\n    models::{Models, ledger::Ledger},\n};"),
        ("models/mod.rs", "fn f() { crate::sync::Syncer::new() }"),
        ("source/mod.rs", "let x = crate::warehouse::quote(\"a\");"),
        ("lifecycle/mod.rs", "use crate::cli::main;"),
        ("attic/mod.rs", "use crate::domain::Clock;"),
        ("sync/mod.rs", "use crate::attic::Attic;"),
        ("models/build.rs", "use tokio_postgres::Row;"),
        ("sync/load.rs", "use mysql_async::Row;"),
        ("warehouse/mod.rs", "sqlx::query(\"select 1\")"),
        ("warehouse/mod.rs", "format!(\"drop table {t} cascade\")"),
        ("models/build.rs", "\"DROP VIEW x CASCADE\""),
    ];
    for (path, text) in wrong {
        assert_eq!(violations(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn what_keeps_the_rules_is_let_be() {
    let right = [
        ("cli/serve.rs", "use crate::{http, lifecycle::Life, config::{load, Config}};"),
        ("sync/mod.rs", "use crate::{config, sync::encode::Encoder, warehouse::{self, Row}};"),
        ("source/cell.rs", "use mysql_async::Value;"),
        ("models/mod.rs", "// like crate::sync, never with cascade\nuse crate::state::State;"),
        ("models/mod.rs", "/// as tokio_postgres::Row does\nlet url = \"https://x\"; let tokio_postgres_like = 1;"),
        ("state/runs.rs", "\"references amalgam.run on delete cascade\""),
    ];
    for (path, text) in right {
        assert_eq!(violations(path, text), Vec::<String>::new(), "{text}");
    }
}
