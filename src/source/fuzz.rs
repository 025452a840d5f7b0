//! The narrow door to what takes rows and the binary log apart, for those who throw anything at it: the targets of `fuzz/`.
//!
//! No part of the program goes through here.

use super::{
    Cell,
    log::Following,
    wire::{Form, cells},
};
use crate::domain::Table;

/// The cells of a packet, were its columns of these forms, each told by any number; `None` where it is no such
/// row.
pub fn row<'p>(packet: &'p [u8], forms: &[u8]) -> Option<Vec<Cell<'p>>> {
    let forms: Vec<Form> = forms.iter().map(|n| Form::ALL[usize::from(*n) % Form::ALL.len()]).collect();
    cells(packet, &forms)
}

/// How many keys of a table's rows the log's events tell, up to the first after which it isn't told.
pub fn keys_told<'p>(database: &str, table: &Table, events: impl IntoIterator<Item = &'p [u8]>) -> usize {
    let mut following = Following::new(database, table, None);
    following.begin();
    // What comes after it says nothing of what was told before it.
    let _ = events.into_iter().try_for_each(|event| following.take(event));
    following.keys().len()
}
