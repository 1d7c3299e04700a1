//! Ctrl-C, while no line is edited.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Each Ctrl-C from now on.
pub struct Interrupts(Signal);

impl Interrupts {
    /// Begins to listen; what was pressed before is not heard.
    pub fn new() -> io::Result<Self> {
        signal(SignalKind::interrupt()).map(Self)
    }

    /// The next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // Nothing is left that could hear one.
            std::future::pending().await
        }
    }
}
