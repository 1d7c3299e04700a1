//! What is measured.

pub mod idle;
pub mod replies;
pub mod requests;
pub mod start;
pub mod viewers;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::data::Data;
use crate::process::Process;

/// What stands ready while it is measured.
pub struct Stage {
    /// Colloquy, on the MongoDB.
    pub server: Process,
    /// The thinnest program that does the same.
    pub baseline: Process,
    /// The scripted service.
    pub upstream: Process,
    /// The program that the server is.
    pub program: PathBuf,
    /// What is stored.
    pub data: Data,
    /// The moment from which the scripted service counts.
    pub origin: u64,
    /// Quiet chats that were spoken in meanwhile.
    pub spoken: AtomicUsize,
}

impl Stage {
    /// A chat that nobody has spoken in.
    pub fn silent_chat(&self) -> String {
        let nth = self.spoken.fetch_add(1, Ordering::Relaxed);
        self.data.quiet_chats[nth].to_hex()
    }
}
