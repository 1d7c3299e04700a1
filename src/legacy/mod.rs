//! The documented REST API, for the clients that are there.

pub mod convert;
pub mod rest;
