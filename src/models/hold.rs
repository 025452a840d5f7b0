//! Whether a model that failed is tried again by itself.
//!
//! A build that failed for good fails again while nothing it is made of changes: its SQL, its tests, what it
//! reads. A schedule of a minute would do its heavy work a thousand times a day. What lies outside (a view
//! that somebody else hung on it, a right) can't be seen to change; so it is tried now and then all the same.

use super::{
    BuildOptions, Models,
    ledger::{self, Failure, Inputs, Versions},
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Policy, Result},
};
use chrono::{DateTime, TimeDelta, Utc};

/// After so long it is tried again, whatever changed.
const HOLD_MINUTES_MAX: i64 = 60;

impl Models {
    /// The failure that a build would end with again; `None` where it is worth a try. Changes nothing.
    pub async fn held(&self, model: &ModelId) -> Result<Option<Error>> {
        let node = self.manifest.node(model)?;
        let session = self.warehouse.session().await?;
        let Some(failure) = ledger::failure(&session, &node.id).await? else { return Ok(None) };
        let inputs = Inputs::of(&self.manifest, node);
        if !inputs.untracked.is_empty() || !inputs.of_tests.untracked.is_empty() {
            return Ok(None);
        }
        // What is wrong with the model before it is built costs nothing to find again.
        let Ok(now) = self.look(node, &BuildOptions::default(), &session).await else { return Ok(None) };
        Ok(still_fails(&failure, &now.whole(), &now.versions, self.clock.now()))
    }
}

fn still_fails(failure: &Failure, checksum: &str, versions: &Versions, now: DateTime<Utc>) -> Option<Error> {
    let kind = Kind::parse(&failure.kind)?;
    let is_same = failure.checksum.as_deref() == Some(checksum) && failure.versions.as_ref() == Some(versions);
    // One of a time to come was written down by a clock that has been put back since.
    let is_recent = (TimeDelta::zero()..TimeDelta::minutes(HOLD_MINUTES_MAX)).contains(&(now - failure.at));
    (is_same && is_recent && kind.policy().0 != Policy::Retry).then(|| {
        let at = failure.at.format("%Y-%m-%d %H:%M:%S");
        Error::new(kind, format!("{} (tried at {at} UTC; nothing it reads has changed since)", failure.text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn versions(version: i64) -> Versions {
        json!({ "table:payment": version }).as_object().expect("a map").clone()
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minutes * 60, 0).expect("valid")
    }

    fn failure(kind: Kind) -> Failure {
        Failure {
            at: at(0),
            kind: kind.as_str().to_owned(),
            text: "no such column".to_owned(),
            checksum: Some("c".to_owned()),
            versions: Some(versions(1)),
        }
    }

    #[test]
    fn a_failure_is_believed_until_something_changes_or_an_hour_has_passed() {
        let sql = failure(Kind::ModelSql);
        let held = still_fails(&sql, "c", &versions(1), at(59)).expect("nothing has changed");
        assert_eq!(held.kind, Kind::ModelSql);
        assert!(held.to_string().starts_with("no such column (tried at 1970-01-01 00:00:00 UTC"), "{held}");
        assert!(still_fails(&sql, "c", &versions(1), at(60)).is_none());
        assert!(still_fails(&sql, "c", &versions(1), at(-1)).is_none(), "the clock was put back");
        assert!(still_fails(&sql, "d", &versions(1), at(1)).is_none());
        assert!(still_fails(&sql, "c", &versions(2), at(1)).is_none());
        assert!(still_fails(&Failure { checksum: None, ..sql }, "c", &versions(1), at(1)).is_none());
        assert!(still_fails(&failure(Kind::WarehouseLost), "c", &versions(1), at(1)).is_none());
    }
}
