//! What two sides have seen otherwise, in words.

use super::{accepted::Accepted, side::Seen};
use std::collections::{BTreeMap, BTreeSet};

/// Lines shown of each side.
const LINES_SHOWN: usize = 12;

/// By place: how dbt has it, and how Amalgam.
pub(super) type Differences = BTreeMap<String, (Option<String>, Option<String>)>;

/// Everything that isn't equal. Of what one side lacks as a whole, the parts are not told again.
pub(super) fn between(theirs: &Seen, ours: &Seen) -> Differences {
    let places: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let mut found = Differences::new();
    for place in places {
        let (dbt, amalgam) = (theirs.get(place), ours.get(place));
        let whole = place.rsplit_once(": ").map(|(whole, _)| whole);
        let is_told = whole.and_then(|whole| found.get(whole)).is_some_and(|(a, b)| a.is_none() || b.is_none());
        if dbt != amalgam && !is_told {
            found.insert(place.clone(), (dbt.cloned(), amalgam.cloned()));
        }
    }
    found
}

/// What isn't accepted, and what was and no longer differs. Empty where all is well.
pub(super) fn report(project: &str, found: &Differences, accepted: &[&Accepted]) -> String {
    let mut lines = Vec::new();
    for (place, (dbt, amalgam)) in found {
        if !accepted.iter().any(|entry| entry.covers(place)) {
            lines.push(place.clone());
            lines.extend(sides(dbt.as_deref(), amalgam.as_deref()));
        }
    }
    for entry in accepted.iter().filter(|entry| !found.keys().any(|place| entry.covers(place))) {
        lines.push(format!("is accepted, and no longer differs: {}", entry.place));
    }
    if lines.is_empty() { String::new() } else { format!("{project}: dbt and Amalgam differ\n{}", lines.join("\n")) }
}

/// The lines that only one of both has.
fn sides(dbt: Option<&str>, amalgam: Option<&str>) -> Vec<String> {
    let lines = |text: Option<&str>| -> Vec<String> {
        text.map_or_else(|| vec!["(nothing)".to_owned()], |text| text.lines().map(str::to_owned).collect())
    };
    let (theirs, ours) = (lines(dbt), lines(amalgam));
    let only = |who: &str, these: &[String], those: &[String]| {
        let mut alone: Vec<String> =
            these.iter().filter(|line| !those.contains(line)).map(|line| format!("    {who} {line}")).collect();
        if alone.len() > LINES_SHOWN {
            let more = alone.len() - LINES_SHOWN;
            alone.truncate(LINES_SHOWN);
            alone.push(format!("    {who} … and {more} more"));
        }
        alone
    };
    let mut told = only("dbt:    ", &theirs, &ours);
    told.extend(only("amalgam:", &ours, &theirs));
    if told.is_empty() {
        told.push("    the same lines, in another order or another number of times".to_owned());
    }
    told
}

#[test]
fn what_is_missing_is_told_once_and_what_is_accepted_not_at_all() {
    let seen = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Seen>();
    let theirs = seen(&[("[0] relation a.b", "there"), ("[0] relation a.b: rows", "1"), ("[0] x", "1\n2")]);
    let ours = seen(&[("[0] x", "1\n3")]);
    let found = between(&theirs, &ours);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["[0] relation a.b", "[0] x"]);
    let entry = Accepted { project: "p", place: "* relation *", why: "" };
    let stale = Accepted { project: "p", place: "[1] y", why: "" };
    assert_eq!(
        report("p", &found, &[&entry, &stale]),
        "p: dbt and Amalgam differ\n[0] x\n    dbt:     2\n    amalgam: 3\nis accepted, and no longer differs: [1] y"
    );
    assert_eq!(report("p", &between(&theirs, &theirs), &[]), "");
}
