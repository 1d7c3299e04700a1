//! A token, whatever the text, and its header, whatever the bytes.
#![no_main]

#[path = "../../tests/it/decoders/token.rs"]
mod token;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| token::check(bytes));
