//! The service on a machine: its units, their restrictions, its package, its containers.

mod compose;
mod package;
mod restrictions;
mod seccomp;
mod unit;
