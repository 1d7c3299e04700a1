//! How often, and how soon, something is tried again.

use std::error::Error;
use std::time::Duration;

const FAILURES_MAX: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What is left after some failures.
#[derive(Default)]
pub struct Patience {
    failures: u32,
}

impl Patience {
    /// Things go well: the next failure is the first again.
    pub fn renew(&mut self) {
        self.failures = 0;
    }

    /// Waits after a failure, longer each time, and hands it back when there were too many in a row.
    pub async fn spend(&mut self, failure: Box<dyn Error>) -> Result<(), Box<dyn Error>> {
        self.failures += 1;
        if self.failures == FAILURES_MAX {
            return Err(failure);
        }
        eprintln!("[trying again: {failure}]");
        let mut random = [0];
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        let pause = (PAUSE * 2_u32.pow(self.failures)).min(PAUSE_MAX);
        // Of a thousand clients that lost the same server, not all come back at the same moment.
        tokio::time::sleep(pause.mul_f64(0.5 + f64::from(random[0]) / 512.0)).await;
        Ok(())
    }
}
