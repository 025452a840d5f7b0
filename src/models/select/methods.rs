//! What one part of a selection finds, by its method.

use super::{
    criterion::Criterion,
    state::Before,
    universe::{Ids, Thing, Universe},
};
use crate::{
    domain::pattern::fits,
    error::{Error, Kind, Result},
    models::manifest::{Manifest, Node, Resource, config_of},
};
use serde_json::Value as Json;
use std::path::Path;

/// The methods there are.
const METHODS: &[&str] = &[
    "access",
    "config",
    "exposure",
    "file",
    "fqn",
    "group",
    "metric",
    "package",
    "path",
    "resource_type",
    "result",
    "saved_query",
    "semantic_model",
    "source",
    "source_status",
    "state",
    "tag",
    "test_name",
    "test_type",
    "unit_test",
    "version",
];

/// The ids that a part finds, without what its signs add.
pub(super) fn find<'a>(
    manifest: &'a Manifest,
    universe: &Universe<'a>,
    before: Option<&Before>,
    criterion: &Criterion,
) -> Result<Ids<'a>> {
    let value = criterion.value.as_str();
    let wrong = |what: String| Error::new(Kind::UnknownSelection, format!("selection '{}': {what}", criterion.raw));
    let with = |holds: &dyn Fn(Thing<'a>) -> bool| -> Ids<'a> {
        universe.things.iter().filter(|(_, thing)| holds(**thing)).map(|(id, _)| *id).collect()
    };
    let of_nodes = |holds: &dyn Fn(&Node) -> bool| with(&|thing| thing.node().is_some_and(holds));
    let of_models = |holds: &dyn Fn(&Node) -> bool| of_nodes(&|node| node.resource == Resource::Model && holds(node));
    let one_of = |words: &[&str]| -> Result<()> {
        let is_known = words.contains(&value);
        if is_known { Ok(()) } else { Err(wrong(format!("'{value}' is none of {}", words.join(", ")))) }
    };
    let before = || {
        let what = format!("'{}' compares with an earlier run: give its folder with --state", criterion.method);
        before.ok_or_else(|| wrong(what))
    };
    Ok(match criterion.method.as_str() {
        "fqn" => with(&|thing| !matches!(thing, Thing::Source(_)) && is_named(thing, value)),
        "tag" => with(&|thing| thing.tags().iter().any(|tag| fits(value, tag))),
        "group" => of_nodes(&|node| node.settings.text("group").is_some_and(|group| fits(value, &group))),
        "access" => of_models(&|node| node.settings.text("access").as_deref().unwrap_or("protected") == value),
        "source" => {
            let parts: Vec<&str> = value.split('.').collect();
            let (package, source, table) = match parts.as_slice() {
                [source] => ("*", *source, "*"),
                [source, table] => ("*", *source, *table),
                [package, source, table] => (*package, *source, *table),
                _ => return Err(wrong("a source is source, source.table or package.source.table".to_owned())),
            };
            with(&|thing| {
                let Thing::Source(found) = thing else { return false };
                fits(package, &found.package) && fits(source, &found.source) && fits(table, &found.name)
            })
        }
        kind @ ("exposure" | "metric" | "semantic_model" | "saved_query" | "unit_test") => {
            let (package, name) = value.split_once('.').unwrap_or(("*", value));
            with(&|thing| thing.resource_type() == kind && fits(package, thing.package()) && fits(name, thing.name()))
        }
        "path" => with(&|thing| {
            let patch = thing.node().and_then(|n| n.patch.as_deref()).and_then(|p| p.split_once("://"));
            lies_at(value, thing.file()) || patch.is_some_and(|(_, file)| is_path(value, file))
        }),
        "file" => with(&|thing| {
            let file = Path::new(thing.file());
            let has = |part: Option<&std::ffi::OsStr>| part.is_some_and(|part| fits(value, &part.to_string_lossy()));
            has(file.file_name()) || has(file.file_stem())
        }),
        "package" => {
            let value = if value == "this" { manifest.project.name.as_str() } else { value };
            with(&|thing| fits(value, thing.package()))
        }
        "config" => with(&|thing| {
            let config = match thing {
                Thing::Node(node) => config_of(node),
                Thing::Source(source) => source.settings.json(),
                Thing::Exposure(_) => return false,
            };
            let found = criterion.arguments.iter().try_fold(&config, |value, key| value.get(key));
            found.is_some_and(|found| is_value(found, value, criterion.arguments == ["severity"]))
        }),
        "resource_type" => with(&|thing| thing.resource_type() == value),
        "test_name" => of_nodes(&|node| match (&node.generic, node.resource.as_str()) {
            (Some(generic), _) => fits(value, &generic.word),
            (None, "unit_test") => fits(value, &node.name),
            _ => false,
        }),
        "test_type" => {
            one_of(&["generic", "schema", "data", "singular", "unit"])?;
            of_nodes(&|node| match (node.resource.as_str(), node.generic.is_some()) {
                ("test", true) => matches!(value, "generic" | "schema" | "data"),
                ("test", false) => matches!(value, "singular" | "data"),
                ("unit_test", _) => value == "unit",
                _ => false,
            })
        }
        "version" => {
            one_of(&["latest", "prerelease", "old", "none"])?;
            of_models(&|node| is_version(node, value))
        }
        "state" => before()?.changed(manifest, universe, &criterion.arguments, value).map_err(wrong)?,
        "result" => {
            let ids = before()?.with_status(value);
            with(&|thing| ids.contains(thing_id(thing)))
        }
        "source_status" => {
            one_of(&["fresher"])?;
            let ids = before()?.fresher(&manifest.project.target_path).map_err(wrong)?;
            with(&|thing| ids.contains(thing_id(thing)))
        }
        other => {
            let near = crate::models::manifest::hint(other, METHODS);
            return Err(wrong(format!("there is no method '{other}'{near}; there are {}", METHODS.join(", "))));
        }
    })
}

fn thing_id(thing: Thing<'_>) -> &str {
    match thing {
        Thing::Node(node) => node.id.as_str(),
        Thing::Source(source) => &source.id,
        Thing::Exposure(exposure) => &exposure.id,
    }
}

/// By name, or by folders and name; with or without the package before.
fn is_named(thing: Thing<'_>, value: &str) -> bool {
    let fqn = thing.fqn();
    let is_versioned = thing.node().is_some_and(|node| node.version.is_some());
    goes_by(fqn, value, is_versioned) || fqn.get(1..).is_some_and(|below| goes_by(below, value, is_versioned))
}

fn goes_by(fqn: &[String], value: &str, is_versioned: bool) -> bool {
    let Some((last, above)) = fqn.split_last() else { return false };
    let parts: Vec<&str> = value.split('.').collect();
    if is_versioned {
        let with_version = above.last().map(|name| format!("{name}_{last}"));
        let asked = parts[parts.len().saturating_sub(2)..].join("_");
        if above.last().is_some_and(|name| name == value) || with_version.is_some_and(|name| name == asked) {
            return true;
        }
    } else if last == value {
        return true;
    }
    // A dot in a name counts as one between folders.
    let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
    if flat.len() < parts.len() {
        return false;
    }
    for (at, part) in parts.iter().enumerate() {
        if part.contains(['*', '?', '[', ']']) {
            return fits(&parts[at..].join("."), &flat[at..].join("."));
        }
        if flat[at] != *part {
            return false;
        }
    }
    true
}

/// Whether a file is the one that a pattern means, or lies in the folder that it means.
fn lies_at(pattern: &str, file: &str) -> bool {
    let parents = file.match_indices('/').map(|(at, _)| &file[..at]);
    std::iter::once(file).chain(parents).any(|path| is_path(pattern, path))
}

/// Whether a path fits a pattern, part by part: `*` does not stand for a slash, `**` for any folders.
fn is_path(pattern: &str, path: &str) -> bool {
    fn parts_fit(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**", rest @ ..], _) => (0..=path.len()).any(|skipped| parts_fit(rest, &path[skipped..])),
            ([part, rest @ ..], [have, more @ ..]) => fits(part, have) && parts_fit(rest, more),
            _ => false,
        }
    }
    let parts = |text: &'_ str| -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    let (mut pattern, path) = (parts(pattern), parts(path));
    // Several in a row mean one, and would be tried in every way.
    pattern.dedup_by(|a, b| a == "**" && b == "**");
    let (pattern, path): (Vec<&str>, Vec<&str>) =
        (pattern.iter().map(String::as_str).collect(), path.iter().map(String::as_str).collect());
    parts_fit(&pattern, &path)
}

/// Whether a configured value is the one asked for; of a list, whether one is.
fn is_value(found: &Json, asked: &str, any_case: bool) -> bool {
    let truth = |flag: bool| asked.eq_ignore_ascii_case(if flag { "true" } else { "false" });
    match found {
        Json::Array(items) => items.iter().any(|item| is_value(item, asked, any_case)),
        Json::String(text) => text == asked || (any_case && text.eq_ignore_ascii_case(asked)),
        Json::Bool(flag) => truth(*flag),
        Json::Number(number) => number.to_string() == asked,
        Json::Null | Json::Object(_) => false,
    }
}

fn is_version(node: &Node, asked: &str) -> bool {
    let (Some(version), Some(latest)) = (&node.version, &node.latest_version) else { return asked == "none" };
    let order = crate::models::manifest::version_order(version, latest);
    match asked {
        "latest" => order.is_eq(),
        "prerelease" => order.is_gt(),
        "old" => order.is_lt(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fqn(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn a_name_is_found_by_its_last_part_or_by_its_folders() {
        for (path, value, is_versioned, expected) in [
            ("p/staging/a", "a", false, true),
            ("p/staging/a", "p.staging", false, true),
            ("p/staging/a", "p.staging.*", false, true),
            ("p/staging/a", "*a", false, true),
            ("p/staging/a", "staging", false, false),
            ("p/staging/a", "p.staging.a.b", false, false),
            ("p/shape/v2", "shape", true, true),
            ("p/shape/v2", "shape_v2", true, true),
            ("p/shape/v2", "shape.v2", true, true),
            ("p/shape/v2", "v2", true, false),
            ("p/a.b", "p.a", false, true),
        ] {
            assert_eq!(goes_by(&fqn(path), value, is_versioned), expected, "{path} {value}");
        }
    }

    #[test]
    fn a_path_is_a_file_a_folder_or_a_pattern_of_them() {
        for (pattern, file, expected) in [
            ("models/a", "models/a/x.sql", true),
            ("models/a/", "models/a/b/x.sql", true),
            ("./models/a/x.sql", "models/a/x.sql", true),
            ("models/*.sql", "models/a/x.sql", false),
            ("models/*/x.sql", "models/a/x.sql", true),
            ("models/**/x.sql", "models/a/b/x.sql", true),
            ("models/**", "models/a/b/x.sql", true),
            ("model", "models/a/x.sql", false),
        ] {
            assert_eq!(lies_at(pattern, file), expected, "{pattern} {file}");
        }
    }
}
