//! From what a project asks for to one version of each package, with what packages ask for themselves.
//!
//! In dbt's order: a round takes what the round before asked for, and each package is chosen by all that was asked of
//! it until then. What was chosen is not taken back but by a later wish for the same package.

use super::{Entry, Pinned, fetch::Fetcher, refused, wanted::Wanted};
use crate::error::Result;

/// Packages that ask for packages, in a row.
const ROUNDS_MAX: usize = 100;
const PACKAGES_MAX: usize = 1_000;

/// Finds every package that is needed.
///
/// # Errors
/// One can't be had, or two wishes don't go together.
pub(super) async fn resolve(
    entries: Vec<Entry>,
    fetcher: &mut Fetcher<'_>,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<Pinned>> {
    let mut all: Vec<Wanted> = Vec::new();
    let mut pending = merged(entries)?;
    for _ in 0..ROUNDS_MAX {
        let mut asked = Vec::new();
        for wanted in pending {
            let key = wanted.key();
            let before = all.iter().position(|known| known.key() == key);
            let is_new = match before {
                Some(at) => {
                    let had = all[at].clone();
                    all[at].incorporate(wanted)?;
                    all[at] != had
                }
                None => {
                    all.push(wanted);
                    true
                }
            };
            if all.len() > PACKAGES_MAX {
                return Err(refused(format!("more than {PACKAGES_MAX} packages ask for one another")));
            }
            // Two packages that ask for each other are asked once each.
            if is_new {
                let at = before.unwrap_or(all.len() - 1);
                let pinned = fetcher.pin(&all[at], warn).await?;
                asked.extend(fetcher.asked_by(&pinned)?);
            }
        }
        if asked.is_empty() {
            let mut pinned = Vec::new();
            for wanted in &all {
                pinned.push(fetcher.pin(wanted, &mut |_: String| {}).await?);
            }
            return Ok(pinned);
        }
        pending = merged(asked)?;
    }
    Err(refused(format!("packages ask for packages more than {ROUNDS_MAX} deep")))
}

/// One entry for each package.
pub(super) fn merged(entries: Vec<Entry>) -> Result<Vec<Wanted>> {
    let mut all: Vec<Wanted> = Vec::new();
    for Entry { wanted, .. } in entries {
        let key = wanted.key();
        match all.iter_mut().find(|known| known.key() == key) {
            Some(known) => known.incorporate(wanted)?,
            None => all.push(wanted),
        }
    }
    Ok(all)
}
