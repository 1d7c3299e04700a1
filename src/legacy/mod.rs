//! The API of the documented system that Colloquy takes the place of, for the clients that are there: REST, and `mt`
//! frames over a WebSocket.

pub mod dates;
pub mod frame;
pub mod rest;
pub mod socket;

mod room;
mod texts;
