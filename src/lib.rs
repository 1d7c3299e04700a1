//! Colloquy: conversations between people and bots over GraphQL, with replies that stream.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod app;
pub mod auth;
pub mod bot;
pub mod cli;
pub mod config;
pub mod domain;
pub mod drain;
pub mod engine;
pub mod feed;
pub mod graphql;
pub mod http;
pub mod legacy;
pub mod peer;
pub mod service;
#[cfg(test)]
mod simulation;
pub mod store;
pub mod telemetry;
