//! The narrow door to what takes rows apart, for those who throw anything at it: the targets of `fuzz/`.
//!
//! No part of the program goes through here.

use super::{
    Cell,
    wire::{Form, cells},
};

/// The cells of a packet, were its columns of these forms, each told by any number; `None` where it is no such
/// row.
pub fn row<'p>(packet: &'p [u8], forms: &[u8]) -> Option<Vec<Cell<'p>>> {
    let forms: Vec<Form> = forms.iter().map(|n| Form::ALL[usize::from(*n) % Form::ALL.len()]).collect();
    cells(packet, &forms)
}
