//! Which nodes a selection means: dbt's syntax and dbt's rules.
//!
//! [`criterion`] takes one part apart, [`spec`] puts parts together, [`methods`] says what a part finds, [`universe`]
//! is all that can be found. Pure but for [`state`], which reads the artifacts of an earlier run.
//! dbt's rules: dbt-core, `graph/selector.py` and `graph/selector_methods.py`.

mod criterion;
mod methods;
mod spec;
mod state;
mod universe;

pub use criterion::Indirect;
pub(super) use state::Before;

use super::manifest::{Manifest, Resource, hint};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
};
use criterion::Criterion;
use spec::Spec;
use std::collections::BTreeSet;
use universe::{Ids, Universe};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// What is meant; nothing means all.
    pub select: Vec<String>,
    /// What is not.
    pub exclude: Vec<String>,
    /// A name in `selectors.yml`, instead of both.
    pub selector: Option<String>,
    /// Which tests come with what they are about.
    pub indirect: Indirect,
}

/// What a selection found.
#[derive(Clone, Debug, Default)]
pub struct Selected {
    /// Unique ids.
    pub ids: BTreeSet<String>,
    /// Names that are nobody's, in words.
    pub unknown: Vec<String>,
    /// Other parts that found nothing, in words.
    pub unmatched: Vec<String>,
}

/// The nodes that become relations which a selection means, parents first.
///
/// # Errors
/// A part is none, or a plain name is nobody's.
pub(super) fn built(manifest: &Manifest, select: &[String], exclude: &[String]) -> Result<Vec<ModelId>> {
    let selection = Selection {
        select: select.to_vec(),
        exclude: exclude.to_vec(),
        indirect: Indirect::Empty,
        ..Selection::default()
    };
    let found = find(manifest, &selection, None)?;
    if let Some(part) = found.unknown.first() {
        return Err(Error::new(Kind::UnknownSelection, part.clone()));
    }
    let is_meant =
        |id: &&ModelId| found.ids.contains(id.as_str()) && manifest.nodes.get(*id).is_some_and(|node| !node.is_empty());
    Ok(manifest.dag.order().iter().filter(is_meant).cloned().collect())
}

/// All that a selection means.
///
/// # Errors
/// A part is none that can be understood.
pub(super) fn find(manifest: &Manifest, selection: &Selection, before: Option<&Before>) -> Result<Selected> {
    let indirect = selection.indirect;
    let is_plain = selection.select.is_empty() && selection.exclude.is_empty();
    let usual = manifest.selectors.iter().find(|s| s.is_default && is_plain).map(|s| &s.name);
    let spec = match selection.selector.as_ref().or(usual) {
        Some(name) => {
            let mut all = spec::named(&manifest.selectors, indirect)?;
            let known: Vec<String> = all.keys().cloned().collect();
            all.remove(name).ok_or_else(|| {
                let what = format!("selector '{name}': selectors.yml has no such name{}", hint(name, known));
                Error::new(Kind::UnknownSelection, what)
            })?
        }
        None => {
            // What is wrong there is told whether it is used or not.
            spec::named(&manifest.selectors, indirect)?;
            if is_plain {
                return Ok(Selected { ids: everything(manifest), ..Selected::default() });
            }
            let without = Spec::of_words(&selection.exclude, indirect)?;
            let all = Spec::of_words(&selection.select, indirect)?;
            let all = if selection.select.is_empty() { any(indirect) } else { all };
            Spec::Difference(Box::new(all), Box::new(without), indirect)
        }
    };
    let universe = Universe::of(manifest);
    let mut search = Search { manifest, universe, before, unknown: Vec::new(), unmatched: Vec::new() };
    let (direct, _) = search.look(&spec)?;
    let ids = direct.into_iter().map(str::to_owned).collect();
    let Search { mut unknown, mut unmatched, .. } = search;
    // A name that somebody has just typed is looked at more closely than one that a file holds for all times.
    if selection.select.is_empty() && selection.exclude.is_empty() {
        unmatched.append(&mut unknown);
    }
    Ok(Selected { ids, unknown, unmatched })
}

/// The ids of all that can be selected.
fn everything(manifest: &Manifest) -> BTreeSet<String> {
    let nodes = manifest.nodes.values().filter(|node| node.resource != Resource::Operation);
    let nodes = nodes.map(|node| node.id.as_str().to_owned());
    nodes.chain(manifest.sources.keys().cloned()).chain(manifest.exposures.keys().cloned()).collect()
}

/// What means everything, where something is to be left out of it.
fn any(indirect: Indirect) -> Spec {
    let all = |method: &str| {
        Spec::One(Criterion {
            raw: "*".to_owned(),
            method: method.to_owned(),
            arguments: Vec::new(),
            value: "*".to_owned(),
            at: false,
            parents: None,
            children: None,
            indirect,
        })
    };
    Spec::Union(["fqn", "source", "exposure"].map(all).to_vec(), indirect)
}

/// One search.
struct Search<'a> {
    manifest: &'a Manifest,
    universe: Universe<'a>,
    before: Option<&'a Before>,
    unknown: Vec<String>,
    unmatched: Vec<String>,
}

impl<'a> Search<'a> {
    /// What is selected; and the tests that would be, were all that they read.
    fn look(&mut self, spec: &Spec) -> Result<(Ids<'a>, Ids<'a>)> {
        let (parts, indirect): (Vec<&Spec>, _) = match spec {
            Spec::One(criterion) => return self.one(criterion),
            Spec::Union(parts, indirect) | Spec::Intersection(parts, indirect) => (parts.iter().collect(), *indirect),
            Spec::Difference(all, without, indirect) => (vec![all, without], *indirect),
        };
        let found = parts.into_iter().map(|part| self.look(part)).collect::<Result<Vec<_>>>()?;
        let combine = |sets: Vec<Ids<'a>>| -> Ids<'a> {
            let mut sets = sets.into_iter();
            let first = sets.next().unwrap_or_default();
            sets.fold(first, |all, next| match spec {
                Spec::Intersection(..) => all.intersection(&next).copied().collect(),
                Spec::Difference(..) => all.difference(&next).copied().collect(),
                _ => all.union(&next).copied().collect(),
            })
        };
        let direct = combine(found.iter().map(|(direct, _)| direct.clone()).collect());
        let both = combine(found.iter().map(|(direct, indirect)| direct | indirect).collect());
        let selected = self.completed(direct, &both, indirect);
        Ok((selected, both))
    }

    /// Tests that wait for all their parents are taken once these are there.
    fn completed(&self, direct: Ids<'a>, both: &Ids<'a>, indirect: Indirect) -> Ids<'a> {
        let reach = match indirect {
            Indirect::Cautious => direct.clone(),
            Indirect::Buildable => &direct | &self.universe.above(&direct, usize::MAX),
            Indirect::Eager | Indirect::Empty => return direct,
        };
        let more: Ids<'a> = both.iter().filter(|id| self.universe.reads_only(id, &reach)).copied().collect();
        &direct | &more
    }

    fn one(&mut self, criterion: &Criterion) -> Result<(Ids<'a>, Ids<'a>)> {
        let found = methods::find(self.manifest, &self.universe, self.before, criterion)?;
        if found.is_empty() && criterion.raw != "*" {
            self.tell(criterion);
        }
        let mut selected = found.clone();
        if criterion.at {
            let below = &found | &self.universe.below(&found, usize::MAX);
            selected.extend(self.universe.above(&below, usize::MAX));
            selected.extend(below);
        }
        if let Some(steps) = criterion.parents {
            selected.extend(self.universe.above(&found, steps));
        }
        if let Some(steps) = criterion.children {
            selected.extend(self.universe.below(&found, steps));
        }
        let (mut direct, mut indirect) = (selected.clone(), Ids::new());
        if criterion.indirect == Indirect::Empty {
            return Ok((direct, indirect));
        }
        let mut with_parents = selected.clone();
        if criterion.indirect == Indirect::Buildable {
            with_parents.extend(self.universe.above(&selected, usize::MAX));
            with_parents.extend(self.manifest.sources.keys().map(String::as_str));
        }
        for test in self.universe.tests_of(&selected) {
            if criterion.indirect == Indirect::Eager || self.universe.reads_only(test, &with_parents) {
                direct.insert(test);
            } else {
                indirect.insert(test);
            }
        }
        Ok((direct, indirect))
    }

    /// Notes that a part found nothing.
    fn tell(&mut self, criterion: &Criterion) {
        if criterion.method == "fqn" && !criterion.value.contains('*') {
            let names = self.universe.things.values().filter(|t| t.node().is_some()).map(|t| t.name());
            let near = hint(&criterion.value, names);
            self.unknown.push(format!("selection '{}': there is no such model{near}", criterion.raw));
        } else {
            self.unmatched.push(format!("selection '{}' finds nothing", criterion.raw));
        }
    }
}
