//! Everything that can be seen from outside, against real parts. `make test` provides them; a part that is missing
//! fails the tests that need it.

mod architecture;
mod chat;
mod cli;
mod clients;
mod conformance;
mod console;
mod crash;
mod decoders;
mod docs;
mod doctor;
mod examples;
mod graphql;
mod legacy_mt;
mod legacy_rest;
mod mongo;
mod observed;
mod schema;
mod support;
mod upstream;
