//! A client's `mt` frame, whatever the bytes.
#![no_main]

#[path = "../../tests/it/decoders/mt_client_frame.rs"]
mod mt_client_frame;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mt_client_frame::check(bytes));
