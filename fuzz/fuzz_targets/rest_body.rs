//! A body or query string of the documented REST API, whatever the bytes.
#![no_main]

#[path = "../../tests/it/decoders/rest_body.rs"]
mod rest_body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rest_body::check(bytes));
