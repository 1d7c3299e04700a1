//! How far a trial is, on standard error: one line that changes on a terminal, elsewhere a line every few seconds.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::Instant;

use super::ledger::{Ledger, Notes};

/// The pause between two looks on a terminal, and between two lines elsewhere.
const EVERY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Tells how far a trial is.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// One that has something to tell soon.
    pub fn new() -> Self {
        Self {
            bar: ProgressBar::new_spinner(),
        }
    }

    /// Tells what is being done now.
    pub fn say(&self, what: &str) {
        if self.bar.is_hidden() {
            // Without standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{what}");
        } else {
            self.bar.set_message(what.to_owned());
            self.bar.tick();
        }
    }

    /// Tells what happens for `time`, and goes on until it is dropped.
    pub async fn tell(self, ledger: Arc<Ledger>, time: Duration) {
        let begun = Instant::now();
        let every = if self.bar.is_hidden() { EVERY.1 } else { EVERY.0 };
        loop {
            tokio::time::sleep(every).await;
            let gone = begun.elapsed().min(time).as_secs();
            let happened = ledger.note(|notes| happened(notes));
            self.say(&format!("{gone} s of {} s: {happened}", time.as_secs()));
        }
    }

    /// Leaves the terminal as it was.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn happened(notes: &Notes) -> String {
    let acknowledged = notes.writings.iter().filter(|writing| !writing.acks.is_empty());
    format!(
        "{} messages, {} readings, servers hurt {} times",
        acknowledged.count(),
        notes.views.len(),
        notes.disturbances.len()
    )
}
