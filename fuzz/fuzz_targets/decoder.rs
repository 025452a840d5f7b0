//! Any bytes into what takes MariaDB's packets apart, and into the readers of PostgreSQL's COPY:
//! `cargo fuzz run decoder`.
#![no_main]

use amalgam::source::fuzz;

#[path = "../../tests/it/encoder/cells.rs"]
#[expect(dead_code, reason = "the other target's")]
mod cells;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((columns, rest)) = bytes.split_first() {
        let (forms, packet) = rest.split_at(rest.len().min(usize::from(*columns)));
        if let Some(cells) = fuzz::row(packet, forms) {
            assert_eq!(cells.len(), forms.len());
        }
    }
    cells::decoder_holds(bytes);
});
