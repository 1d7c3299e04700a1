//! A message of graphql-ws, a request or a document of GraphQL, whatever the text.
#![no_main]

#[path = "../../tests/it/decoders/graphql_message.rs"]
mod graphql_message;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| graphql_message::check(bytes));
