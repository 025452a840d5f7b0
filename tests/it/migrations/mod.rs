//! Migrations of the control plane: none is edited once it is there, and none takes away what an older program uses.

mod older;

use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, fs, path::Path};

const FOLDER: &str = "src/state/migrations";

/// Each migration and the beginning of its SHA-256. One that any database may have is never edited: what was done
/// there can't be done again. A new one is added behind.
const PINNED: &[(&str, &str)] = &[
    ("0001_table_state", "ddd43bebea21afd3"),
    ("0002_runs", "ad2f87aaca3e7daa"),
    ("0003_model_state", "6486718c7077b4a2"),
    ("0004_failed_try", "565961c27c15792a"),
    ("0005_load", "b8683caad3f4e916"),
    ("0006_catalog", "41c42c1711a38e65"),
    ("0007_quarantine", "22ee9730c87180c0"),
    ("0008_drift", "bdc7c71c010d0412"),
    ("0009_load_gaps", "b7df82263fce395c"),
    ("0010_chunk", "bc77460bcdcce9df"),
    ("0012_load_counts", "c895ef56019d0750"),
    ("0013_source_server", "5ab192ce7bed0869"),
    ("0014_log_position", "20519edf0317df47"),
    ("0015_not_followed", "83b35dc7f5c2a1c8"),
    ("0021_fence", "38d05504b39d0fb8"),
    ("0022_events", "56bb374b00164a88"),
    ("0023_told", "40ebdb1ec085249e"),
    ("0024_duration", "85c62b87584cd8c1"),
    ("0025_maintenance", "f0a265f156663bbb"),
    ("0026_fence_of_no_reign", "ecbc5b945181a113"),
    ("0027_materialized", "2307d0f770cda990"),
    ("0029_lineage", "faad87b6ad833a27"),
    ("0030_model_build", "37e84798435dfc65"),
    ("0031_operation", "a608d1af0b98df38"),
];

/// What would be refused and is harmless nevertheless: where, how it begins, and why.
const HARMLESS: &[(&str, &str, &str)] = &[
    ("0014_log_position", "drop constraint table_state_mode_check", "made anew with one word more, as the next"),
    ("0014_log_position", "add constraint table_state_mode_check", "what an older program writes still passes"),
    ("0025_maintenance", "drop constraint task_kind_check", "made anew with one word more, as the next"),
    ("0025_maintenance", "add constraint task_kind_check", "what an older program writes still passes"),
    ("0026_fence_of_no_reign", "alter function amalgam.fence(bigint) strict", "who knows of it gives a number"),
    ("0027_materialized", "drop constraint model_state_materialized_check", "made anew for any word, as the next"),
    ("0027_materialized", "add constraint model_state_materialized_check", "what an older program writes still passes"),
    ("0031_operation", "drop constraint task_kind_check", "made anew with one word more, as the next"),
    ("0031_operation", "add constraint task_kind_check", "what an older program writes still passes"),
];

/// Every migration, in their order, with its text.
fn migrations() -> Vec<(String, String)> {
    let files = fs::read_dir(FOLDER).expect("the folder is part of the repository");
    let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    files.sort();
    let name = |path: &Path| path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).expect("it can be read"))).collect()
}

/// The statements of a migration, each on one line of small letters, without comments and bodies of functions.
fn statements(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let code: String = code.join("\n").split("$$").step_by(2).collect();
    let words = |statement: &str| statement.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    code.split(';').map(words).filter(|statement| !statement.is_empty()).collect()
}

/// The actions of an `alter table`: what stands between commas that are in no parentheses.
fn actions(list: &str) -> Vec<String> {
    let (mut depth, mut actions) = (0_i32, vec![String::new()]);
    for letter in list.chars() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        match (letter, depth) {
            (',', 0) => actions.push(String::new()),
            _ => actions.last_mut().expect("there is one at least").push(letter),
        }
    }
    actions.into_iter().map(|action| action.trim().to_owned()).collect()
}

/// What of a migration may keep a program from working that does not know it: whatever it does to tables of before
/// but add columns that may be left out, plain indexes and comments.
fn refused(text: &str) -> Vec<String> {
    let mut own = BTreeSet::new();
    let mut refused = Vec::new();
    for statement in statements(text) {
        let word = |after: &str| {
            let rest = statement.split_once(after).map_or("", |(_, rest)| rest);
            rest.split([' ', '(']).next().unwrap_or_default().to_owned()
        };
        let begins = |with: &str| statement.starts_with(with);
        if begins("create table ") {
            own.insert(word("create table "));
        } else if begins("alter table ") {
            let table = word("alter table ");
            let (_, list) = statement.split_once(&format!("{table} ")).unwrap_or_default();
            let may_be_left_out = |action: &String| {
                let bare = !action.contains(" not null") || action.contains(" default ");
                let is_free =
                    [" unique", " references ", " primary key", " generated "].iter().all(|w| !action.contains(w));
                action.starts_with("add column ") && bare && is_free
            };
            if !own.contains(&table) {
                refused.extend(actions(list).into_iter().filter(|action| !may_be_left_out(action)));
            }
        } else {
            let is_harmless = begins("create index ")
                || begins("create function ")
                || begins("create view ")
                || begins("comment on ")
                || begins("create unique index ") && own.contains(&word(" on "))
                || begins("create trigger ") && own.contains(&word(" on "))
                || begins("insert into ") && own.contains(&word("insert into "));
            if !is_harmless {
                refused.push(statement);
            }
        }
    }
    refused
}

#[test]
fn no_migration_is_edited_and_each_is_pinned() {
    let found = migrations();
    for (name, text) in &found {
        let digest: String = Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        match PINNED.iter().find(|(pinned, _)| pinned == name) {
            Some((_, pinned)) => assert_eq!(digest, *pinned, "{name} was edited; write a new migration instead"),
            None => panic!("add (\"{name}\", \"{digest}\") to PINNED"),
        }
    }
    assert_eq!(found.len(), PINNED.len(), "a migration is gone: databases that have it would be refused");
    // Whoever has the newest has them all: numbers go up.
    assert!(PINNED.is_sorted());
}

#[test]
fn no_migration_takes_away_what_an_older_program_uses() {
    let mut used = BTreeSet::new();
    for (name, text) in migrations() {
        for found in refused(&text) {
            let harmless = HARMLESS.iter().find(|(file, begins, _)| *file == name && found.starts_with(begins));
            used.extend(harmless.map(|(file, begins, _)| (*file, *begins)));
            assert!(harmless.is_some(), "{name} may stop an older program that still runs: {found}");
        }
    }
    assert_eq!(used.len(), HARMLESS.len(), "an exception that nothing needs: {used:?}");
}

#[test]
fn what_would_stop_an_older_program_is_refused() {
    for text in [
        "drop table amalgam.run",
        "alter table amalgam.run drop column error",
        "alter table amalgam.run rename column error to cause",
        "alter table amalgam.run rename to runs",
        "alter table amalgam.run alter column fire_at type date",
        "alter table amalgam.run alter column fire_at set not null",
        "alter table amalgam.run add column a text, add column b text not null",
        "alter table amalgam.run add column a text unique",
        "alter table amalgam.run add check (error <> '')",
        "alter table amalgam.task drop constraint task_kind_check",
        "create unique index run_cause on amalgam.run (cause)",
        "create trigger t before insert on amalgam.run for each row execute function amalgam.f()",
        "create or replace function amalgam.fence(reign bigint) returns void language sql as $$ select 1; $$",
        "delete from amalgam.run",
        "update amalgam.task set kind = 'model'",
        "insert into amalgam.schedule default values",
    ] {
        assert_eq!(refused(&format!("-- why\n{text};\n")).len(), 1, "{text}");
    }
    for text in [
        "create table amalgam.new (a int not null unique); create unique index n on amalgam.new (a); insert into amalgam.new values (1)",
        "create table amalgam.new (a int); alter table amalgam.new add column b int not null",
        "alter table amalgam.run add column a text, add column b numeric(1, 2) not null default 0 check (b in (0, 1))",
        "create function amalgam.new() returns void language sql as $$ delete from amalgam.run; $$",
        "create index n on amalgam.run (cause); comment on table amalgam.run is 'x'",
        "create view amalgam.new as select 1 as x",
    ] {
        assert_eq!(refused(text), [""; 0], "{text}");
    }
}
