//! What `colloquy verify` takes.

use std::time::Duration;

use clap::Args;

/// How long a trial takes where nothing is said.
const SECONDS_DEFAULT: u64 = 30;

/// Tries what your own set-up keeps of Colloquy's promises while its servers are killed.
#[derive(Args, Clone)]
pub struct VerifyArguments {
    /// How many servers share the store: 3, or the one that the embedded store can have.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub servers: Option<u8>,
    /// How many minutes the trouble lasts.
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..=240))]
    pub minutes: Option<u64>,
    /// How many seconds the trouble lasts; 30 if neither is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(3..=14_400))]
    pub seconds: Option<u64>,
    /// Repeat the choices of an earlier trial; what happens between them is up to the machine.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many chats are held at once.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub chats: u8,
    /// Report as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Keep the scratch database or folder, and the servers' logs.
    #[arg(long)]
    pub keep: bool,
}

impl VerifyArguments {
    /// How long the trouble lasts.
    pub fn time(&self) -> Duration {
        let seconds = self.minutes.map(|minutes| minutes * 60).or(self.seconds);
        Duration::from_secs(seconds.unwrap_or(SECONDS_DEFAULT))
    }
}
