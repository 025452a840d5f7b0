//! Whether a model is built, and why.
//!
//! Pure: what is known in, a decision with its reason out.

use super::ledger::{Entry, Inputs, OF_TESTS, Versions};
use crate::domain::{ModelId, short_name};
use chrono::{DateTime, Utc};

/// What is to be done with a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing has changed.
    Nothing(String),
    /// The relation is right as it is, but shows other rows: its tests are run.
    Test(String),
    /// The relation is made.
    Build(String),
}

/// What is known of the tests of a model that are wanted.
pub(super) struct Tests<'a> {
    /// By id, with the checksums that they have now.
    pub wanted: &'a [(&'a ModelId, String)],
    /// By the clock.
    pub now: DateTime<Utc>,
}

impl Tests<'_> {
    /// Why what the last ones said does not do; `None` where it does.
    fn stale(&self, entry: &Entry) -> Option<String> {
        let kept = |(id, checksum): &(&ModelId, String)| match entry.verdicts.get(*id) {
            Some(kept) => kept.stale(checksum, self.now),
            None => Some("not all of its tests were run since it was built".to_owned()),
        };
        if !self.wanted.is_empty() && !self.wanted.iter().any(|(id, _)| entry.verdicts.contains_key(*id)) {
            return Some("it was not tested since it was built".to_owned());
        }
        self.wanted.iter().find_map(kept)
    }
}

/// What is known of a model.
pub(super) struct Known<'a> {
    /// How it becomes a relation.
    pub materialized: &'a str,
    /// What the last build left.
    pub entry: Option<&'a Entry>,
    /// The checksum it would have now.
    pub checksum: &'a str,
    /// Its tests.
    pub tests: &'a Tests<'a>,
    /// What it reads.
    pub inputs: &'a Inputs,
    /// The versions of that now.
    pub versions: &'a Versions,
    /// What bears its relation's name: PostgreSQL's relkind.
    pub relkind: Option<char>,
    /// Whether it was asked to be made from scratch.
    pub full_refresh: bool,
    /// Whether it was asked to be made whatever changed.
    pub always: bool,
    /// Whether somebody else's macro makes it, which may do something else each time.
    pub is_custom: bool,
    /// Whether it is built in batches and was asked for some of them.
    pub has_span: bool,
}

/// Decides.
pub(super) fn decide(known: &Known<'_>) -> Decision {
    let is_view = known.materialized == "view";
    let published = known.entry.filter(|entry| entry.checksum.is_some());
    let Some(entry) = published else {
        return Decision::Build("never built".to_owned());
    };
    let expected = match known.materialized {
        "view" => Some('v'),
        "materialized_view" => Some('m'),
        "table" | "incremental" | "seed" | "snapshot" => Some('r'),
        // Somebody's own materialization makes what it likes.
        _ => None,
    };
    match known.relkind {
        None => return Decision::Build("its relation is missing in the warehouse".to_owned()),
        Some(kind) if expected.is_some_and(|expected| kind != expected) => {
            return Decision::Build("its relation is of another kind".to_owned());
        }
        Some(_) => {}
    }
    if known.full_refresh && !is_view {
        return Decision::Build("full refresh".to_owned());
    }
    if known.always {
        return Decision::Build("it was asked for".to_owned());
    }
    if known.is_custom {
        return Decision::Build(format!("what materialization '{}' does each time is not known", known.materialized));
    }
    if known.has_span {
        return Decision::Build("a span of event time was asked for".to_owned());
    }
    if entry.checksum.as_deref() != Some(known.checksum) {
        return Decision::Build("its SQL or configuration changed".to_owned());
    }
    let again = if is_view { Decision::Test } else { Decision::Build };
    if entry.failed {
        return again("its last build failed".to_owned());
    }
    if let Some(source) = known.inputs.untracked.first() {
        return again(format!("whether {source} changed is not known"));
    }
    if let Some(what) = changed(&entry.versions, known.versions, |key| !key.starts_with(OF_TESTS)) {
        return again(what);
    }
    if let Some(what) = known.tests.stale(entry) {
        return Decision::Test(what);
    }
    if !known.tests.wanted.is_empty() {
        let of_tests = changed(&entry.versions, known.versions, |key| key.starts_with(OF_TESTS));
        let untracked = known.inputs.of_tests.untracked.first();
        let untracked =
            || untracked.map(|source| format!("whether {source} changed, which a test reads, is not known"));
        if let Some(what) = of_tests.or_else(untracked) {
            return Decision::Test(what);
        }
    }
    Decision::Nothing("inputs unchanged".to_owned())
}

/// What changed between two sets of versions, of the keys that count, in words.
fn changed(then: &Versions, now: &Versions, counts: fn(&str) -> bool) -> Option<String> {
    let keys: Vec<&String> = now.keys().chain(then.keys().filter(|k| !now.contains_key(*k))).collect();
    let mut changed = keys.into_iter().filter(|key| counts(key) && then.get(*key) != now.get(*key));
    let first = changed.next()?;
    let what = match first.strip_prefix(OF_TESTS).unwrap_or(first).split_once(':') {
        Some(("table", name)) => format!("table {name} changed"),
        Some(("model", id)) => format!("model {} was built", short_name(id)),
        _ => "the date turned".to_owned(),
    };
    Some(match changed.count() {
        0 => what,
        more => format!("{what}, and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{TestStatus, verdict::KeptVerdict};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn versions(json: serde_json::Value) -> Versions {
        json.as_object().expect("a map").clone()
    }

    fn decided(entry: Option<Entry>, now: serde_json::Value, change: impl FnOnce(&mut Known<'_>)) -> Decision {
        let (inputs, versions) = (Inputs::default(), versions(now));
        let id = ModelId::new("test.p.t");
        let wanted = [(&id, "t".to_owned())];
        let tests = Tests { wanted: &wanted, now: DateTime::UNIX_EPOCH };
        let mut known = Known {
            materialized: "table",
            entry: entry.as_ref(),
            checksum: "c",
            tests: &tests,
            inputs: &inputs,
            versions: &versions,
            relkind: Some('r'),
            full_refresh: false,
            always: false,
            is_custom: false,
            has_span: false,
        };
        change(&mut known);
        decide(&known)
    }

    fn entry() -> Option<Entry> {
        Some(Entry {
            checksum: Some("c".to_owned()),
            versions: versions(json!({"table:a": 1})),
            failed: false,
            verdicts: [kept("test.p.t")].into_iter().map(|kept| (kept.verdict.id.clone(), kept)).collect(),
        })
    }

    fn kept(id: &str) -> KeptVerdict {
        let verdict = json!({"id": id, "name": "t", "status": "pass", "failures": 0, "message": null});
        let verdict = serde_json::from_value(verdict).expect("a verdict");
        KeptVerdict { verdict, checksum: "t".to_owned(), clock: None, at: DateTime::UNIX_EPOCH }
    }

    fn with_verdict(change: impl Fn(&mut KeptVerdict)) -> Option<Entry> {
        entry().map(|mut entry| {
            entry.verdicts.values_mut().for_each(change);
            entry
        })
    }

    #[test]
    fn a_model_is_built_only_for_a_reason() {
        let same = json!({"table:a": 1});
        let build = |reason: &str| Decision::Build(reason.to_owned());
        assert_eq!(decided(entry(), same.clone(), |_| {}), Decision::Nothing("inputs unchanged".to_owned()));
        assert_eq!(decided(None, same.clone(), |_| {}), build("never built"));
        assert_eq!(decided(entry(), same.clone(), |k| k.full_refresh = true), build("full refresh"));
        assert_eq!(decided(entry(), same.clone(), |k| k.always = true), build("it was asked for"));
        let reason = "what materialization 'table' does each time is not known";
        assert_eq!(decided(entry(), same.clone(), |k| k.is_custom = true), build(reason));
        assert_eq!(decided(entry(), same.clone(), |k| k.has_span = true), build("a span of event time was asked for"));
        assert_eq!(
            decided(entry(), same.clone(), |k| k.relkind = None),
            build("its relation is missing in the warehouse")
        );
        assert_eq!(decided(entry(), same.clone(), |k| k.checksum = "d"), build("its SQL or configuration changed"));
        assert_eq!(decided(entry(), json!({"table:a": 2}), |_| {}), build("table a changed"));
        assert_eq!(
            decided(entry(), json!({"model:model.p.b": 1, "table:a": 2}), |_| {}),
            build("model b was built, and 1 more")
        );
        let failed = entry().map(|e| Entry { failed: true, ..e });
        assert_eq!(decided(failed, same, |_| {}), build("its last build failed"));
    }

    #[test]
    fn a_model_whose_tests_alone_changed_is_tested() {
        const NONE: Tests<'_> = Tests { wanted: &[], now: DateTime::UNIX_EPOCH };
        let same = json!({"table:a": 1});
        let nothing = || Decision::Nothing("inputs unchanged".to_owned());
        let test = |reason: &str| Decision::Test(reason.to_owned());
        let untested = || entry().map(|e| Entry { verdicts: BTreeMap::new(), ..e });
        assert_eq!(decided(untested(), same.clone(), |_| {}), test("it was not tested since it was built"));
        assert_eq!(decided(untested(), same.clone(), |k| k.tests = &NONE), nothing());
        let other = json!({"table:a": 1, "test:table:b": 1});
        assert_eq!(decided(entry(), other.clone(), |_| {}), test("table b changed"));
        assert_eq!(decided(entry(), other, |k| k.tests = &NONE), nothing());
    }

    #[test]
    fn a_verdict_holds_until_its_test_or_what_that_reads_of_the_clock_changes() {
        let same = || json!({"table:a": 1});
        let test = |reason: &str| Decision::Test(reason.to_owned());
        let changed = with_verdict(|kept| kept.checksum = "u".to_owned());
        assert_eq!(decided(changed, same(), |_| {}), test("its tests changed"));
        let of_today = |day: &str| with_verdict(|kept| kept.clock = Some(day.to_owned()));
        assert_eq!(decided(of_today("1970-01-01"), same(), |_| {}), Decision::Nothing("inputs unchanged".to_owned()));
        assert_eq!(decided(of_today("1969-12-31"), same(), |_| {}), test("the date turned, which test t reads"));
    }

    #[test]
    fn a_test_that_failed_when_it_was_run_alone_is_run_again() {
        let failed = with_verdict(|kept| kept.verdict.status = TestStatus::Fail);
        let reason = "test t failed when it was run last";
        assert_eq!(decided(failed, json!({"table:a": 1}), |_| {}), Decision::Test(reason.to_owned()));
    }

    #[test]
    fn what_is_wanted_alone_counts() {
        let id = ModelId::new("test.p.u");
        let wanted = [(&id, "t".to_owned())];
        let tests = Tests { wanted: &wanted, now: DateTime::UNIX_EPOCH };
        let mut entry = entry().expect("there is one");
        assert_eq!(tests.stale(&entry).as_deref(), Some("it was not tested since it was built"));
        entry.verdicts.insert(id.clone(), kept("test.p.u"));
        assert_eq!(tests.stale(&entry), None);
        let failed = entry.verdicts.get_mut(&ModelId::new("test.p.t")).expect("it is there");
        failed.verdict.status = TestStatus::Fail;
        assert_eq!(tests.stale(&entry), None);
    }

    #[test]
    fn a_view_over_changed_tables_is_tested_and_not_made() {
        let decision = decided(entry(), json!({"table:a": 2}), |known| {
            known.materialized = "view";
            known.relkind = Some('v');
        });
        assert_eq!(decision, Decision::Test("table a changed".to_owned()));
    }
}
