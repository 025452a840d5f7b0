//! How much one rendering may take.
//!
//! A template is a program: a loop over too much, or macros that call each other in a circle, would hold a worker for
//! ever or use up its stack, and with it the whole process. The engine counts the steps of one template; every macro
//! is one of its own, so what they took is added up here, by thread: a rendering never leaves its thread.

use minijinja::{Error, ErrorKind, State};
use std::cell::Cell;

/// Steps of one rendering. The largest models of public projects take some hundred thousand.
pub(super) const STEPS_MAX: u64 = 50_000_000;

/// Macros that have called each other and are not yet done. Packages of dbt reach some thirty.
const DEPTH_MAX: usize = 150;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Does what a template or a macro does, unless too much was done already.
pub(super) fn within<T>(name: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let _entered = Entered::new();
    if DEPTH.get() > DEPTH_MAX {
        let what = format!("macro {name}: {DEPTH_MAX} macros have called each other; see that they end");
        return Err(Error::new(ErrorKind::InvalidOperation, what));
    }
    if STEPS.get() >= STEPS_MAX {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    work()
}

/// Adds what a template has taken.
pub(super) fn add(state: &State<'_, '_>) {
    let (taken, _) = state.fuel_levels().unwrap_or_default();
    STEPS.set(STEPS.get().saturating_add(taken));
}

/// A template or macro that is under way.
struct Entered;

impl Entered {
    fn new() -> Self {
        if DEPTH.get() == 0 {
            STEPS.set(0);
        }
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// What to say where a rendering took too many steps.
pub(super) fn too_much() -> String {
    format!(
        "more than {} million steps: see that its loops end and go over less, or write the SQL out",
        STEPS_MAX / 1_000_000
    )
}
