//! A text that grows, in a terminal.

use std::io::Write;

/// What was shown.
#[derive(Default)]
pub struct Screen {
    shown: String,
}

impl Screen {
    /// Shows what is new of a text.
    pub fn show(&mut self, text: &str) -> std::io::Result<()> {
        let mut terminal = std::io::stdout();
        match text.strip_prefix(&self.shown) {
            Some(rest) => write!(terminal, "{rest}")?,
            // A snapshot has taken back what was shown: it begins again on a new line.
            None => write!(terminal, "\n{text}")?,
        }
        text.clone_into(&mut self.shown);
        terminal.flush()
    }
}
