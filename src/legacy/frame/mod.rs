//! The frames of the documented socket (`docs/mt-protocol.md`): a pure codec, bytes in and text out.

mod client;
mod server;

pub use client::{ClientFrame, DecodeError, LANGUAGE_DEFAULT, TIME_ZONE_DEFAULT, Upload};
pub use server::{Progress, ServerFrame, Stamp};
