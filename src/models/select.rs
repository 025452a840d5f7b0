//! Which models a selection means: dbt's syntax.
//!
//! Several selections are united; parts joined by a comma must all hold; `+` before or after a name
//! adds what it needs and what needs it, with a number so many steps only; `@` adds what needs it and
//! all that those need. Pure.

use super::manifest::{Manifest, Node, hint};
use crate::{
    domain::{ModelId, pattern::fits},
    error::{Error, Kind, Result},
};
use std::collections::BTreeSet;

/// The models meant, parents first. Nothing selected means all.
pub(super) fn select(manifest: &Manifest, select: &[String], exclude: &[String]) -> Result<Vec<ModelId>> {
    let meant =
        if select.is_empty() { manifest.dag.order().iter().cloned().collect() } else { union(manifest, select)? };
    let without = union(manifest, exclude)?;
    let chosen = |id: &&ModelId| meant.contains(*id) && !without.contains(*id);
    Ok(manifest.dag.order().iter().filter(chosen).cloned().collect())
}

fn union(manifest: &Manifest, selections: &[String]) -> Result<BTreeSet<ModelId>> {
    let mut all = BTreeSet::new();
    for one in selections.iter().flat_map(|s| s.split_whitespace()) {
        let mut parts = one.split(',').filter(|p| !p.is_empty());
        let Some(first) = parts.next() else { continue };
        let mut met = part(manifest, first)?;
        for other in parts {
            let other = part(manifest, other)?;
            met.retain(|id| other.contains(id));
        }
        all.extend(met);
    }
    Ok(all)
}

/// One name with its plus signs.
fn part(manifest: &Manifest, text: &str) -> Result<BTreeSet<ModelId>> {
    if let Some(rest) = text.strip_prefix('@') {
        let mut with = BTreeSet::new();
        for id in named(manifest, rest)? {
            for below in std::iter::once(id.clone()).chain(reach(manifest, &id, usize::MAX, Way::Down)) {
                with.extend(reach(manifest, &below, usize::MAX, Way::Up));
                with.insert(below);
            }
        }
        return Ok(with);
    }
    let (up, rest) = match text.split_once('+') {
        Some((steps, rest)) if steps.chars().all(|c| c.is_ascii_digit()) => (Some(steps), rest),
        _ => (None, text),
    };
    let (name, down) = match rest.rsplit_once('+') {
        Some((name, steps)) if steps.chars().all(|c| c.is_ascii_digit()) => (name, Some(steps)),
        _ => (rest, None),
    };
    let steps = |text: &str| text.parse().unwrap_or(usize::MAX);
    let mut with = named(manifest, name)?;
    for id in with.clone() {
        if let Some(up) = up {
            with.extend(reach(manifest, &id, steps(up), Way::Up));
        }
        if let Some(down) = down {
            with.extend(reach(manifest, &id, steps(down), Way::Down));
        }
    }
    Ok(with)
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Up,
    Down,
}

/// What is reached by what models read; what their tests compare with does not count.
fn reach(manifest: &Manifest, from: &ModelId, steps: usize, way: Way) -> BTreeSet<ModelId> {
    let mut found = BTreeSet::new();
    let mut edge = BTreeSet::from([from.clone()]);
    for _ in 0..steps.min(manifest.nodes.len()) {
        let next: BTreeSet<ModelId> = match way {
            Way::Up => {
                edge.iter().filter_map(|id| manifest.nodes.get(id)).flat_map(|n| n.parents.iter().cloned()).collect()
            }
            Way::Down => {
                let reads = |n: &&Node| n.parents.iter().any(|p| edge.contains(p));
                manifest.nodes.values().filter(reads).map(|n| n.id.clone()).collect()
            }
        };
        edge = next.into_iter().filter(|id| found.insert(id.clone())).collect();
        if edge.is_empty() {
            break;
        }
    }
    found
}

fn named(manifest: &Manifest, name: &str) -> Result<BTreeSet<ModelId>> {
    let wrong = |what: String| Error::new(Kind::UnknownSelection, what);
    let (method, value) = match name.split_once(':') {
        Some((method, value)) => (method, value),
        None if name.contains('/') => ("path", name),
        None => ("fqn", name),
    };
    let found: BTreeSet<ModelId> = match method {
        "fqn" => filter(manifest, |n| fits(value, &n.name) || folder(n, value)),
        "tag" => filter(manifest, |n| n.settings.texts("tags").iter().any(|tag| fits(value, tag))),
        "path" | "file" => filter(manifest, |n| on_path(n, value)),
        "source" => filter(manifest, |n| {
            let named =
                |id: &str| manifest.sources.get(id).map(|s| (s.source.clone(), format!("{}.{}", s.source, s.name)));
            n.sources
                .iter()
                .filter_map(|s| named(&s.id))
                .any(|(source, table)| fits(value, &source) || fits(value, &table))
        }),
        "resource_type" => filter(manifest, |n| n.resource.as_str() == value),
        "package" => {
            filter(manifest, |n| n.package == value || (value == "this" && n.package == manifest.project.name))
        }
        _ => match method.strip_prefix("config.") {
            Some(key) => filter(manifest, |n| {
                n.settings.texts(key).iter().any(|v| fits(value, v))
                    || (key == "materialized" && n.materialized() == value)
            }),
            None => return Err(wrong(format!("selection '{name}': the method '{method}' is not supported"))),
        },
    };
    if found.is_empty() && method == "fqn" && !value.contains('*') {
        let names: Vec<&str> =
            manifest.nodes.values().filter(|n| n.resource.is_built()).map(|n| n.name.as_str()).collect();
        return Err(wrong(format!("selection '{name}': there is no such model{}", hint(value, &names))));
    }
    Ok(found)
}

fn filter(manifest: &Manifest, holds: impl Fn(&Node) -> bool) -> BTreeSet<ModelId> {
    manifest.nodes.values().filter(|n| n.resource.is_built() && holds(n)).map(|n| n.id.clone()).collect()
}

/// `staging` or `staging.opendental`: the model's folders begin so, with or without the project.
fn folder(node: &Node, value: &str) -> bool {
    let wanted: Vec<&str> = value.split('.').collect();
    let begins =
        |fqn: &[String]| wanted.len() <= fqn.len() && wanted.iter().zip(fqn).all(|(want, have)| fits(want, have));
    begins(&node.fqn) || begins(&node.fqn[1..])
}

fn on_path(node: &Node, value: &str) -> bool {
    let value = value.trim_start_matches("./").trim_end_matches('/');
    fits(value, &node.file) || node.file.strip_prefix(value).is_some_and(|rest| rest.starts_with('/'))
}
