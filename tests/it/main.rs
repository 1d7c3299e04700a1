//! Everything that can be seen from outside, against real parts. `make test` provides them; a part that is missing
//! fails the tests that need it.

mod access;
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
mod drain;
mod examples;
mod exchanges;
mod fleet;
mod graphql;
mod health;
mod legacy_mt;
mod legacy_rest;
mod mongo;
mod observed;
mod recount;
mod schema;
mod shipping;
mod support;
mod tokens;
mod upstream;
mod verify;
