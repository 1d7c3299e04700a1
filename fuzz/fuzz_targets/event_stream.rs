//! Events of a bot's service, whatever the bytes and however they are cut.
#![no_main]

#[path = "../../tests/it/decoders/event_stream.rs"]
mod event_stream;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| event_stream::check(bytes));
