//! The documented API of the system that Colloquy replaces: its `mt` frames over a WebSocket.

pub mod frame;
pub mod room;
pub mod socket;
pub mod texts;
pub mod times;
