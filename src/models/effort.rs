//! How much one rendering may take.
//!
//! A template is a program: a loop over too much, or macros that call each other in a circle, would
//! hold a worker for ever or use up its stack, and with it the whole process. The engine counts the
//! steps of one template; every macro's file is one of its own, so what they took is added up here.

use minijinja::{Error, ErrorKind, State};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Steps of one rendering. The largest models of public projects take some hundred thousand.
pub(super) const STEPS_MAX: u64 = 50_000_000;

/// Macros that have called each other and are not yet done.
const MACRO_DEPTH_MAX: usize = 50;

/// What a rendering has taken so far.
#[derive(Debug, Default)]
pub(super) struct Effort {
    steps: AtomicU64,
    depth: AtomicUsize,
}

impl Effort {
    /// Begins a macro; it ends when the value is dropped.
    pub(super) fn enter(&self, name: &str) -> Result<Entered<'_>, Error> {
        let entered = Entered { effort: self };
        if self.depth.fetch_add(1, Ordering::Relaxed) >= MACRO_DEPTH_MAX {
            let what = format!("macro {name}: {MACRO_DEPTH_MAX} macros have called each other; see that they end");
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        if self.steps.load(Ordering::Relaxed) >= STEPS_MAX {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        Ok(entered)
    }

    /// Adds what a template has taken.
    pub(super) fn add(&self, state: &State<'_, '_>) {
        let (taken, _) = state.fuel_levels().unwrap_or_default();
        self.steps.fetch_add(taken, Ordering::Relaxed);
    }
}

/// A macro that is under way.
pub(super) struct Entered<'a> {
    effort: &'a Effort,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.effort.depth.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What to say where a rendering took too many steps.
pub(super) fn too_much() -> String {
    format!(
        "more than {} million steps: see that its loops end and go over less, or write the SQL out",
        STEPS_MAX / 1_000_000
    )
}
