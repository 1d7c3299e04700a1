//! A cursor or an id, whatever the text.
#![no_main]

#[path = "../../tests/it/decoders/cursors.rs"]
mod cursors;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cursors::check(bytes));
