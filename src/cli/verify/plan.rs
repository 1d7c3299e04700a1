//! What is to be tried.

use std::time::Duration;

use super::arguments::VerifyArguments;
use super::error::VerifyError;

/// How many servers share a store where nothing is said.
const SERVERS_DEFAULT: usize = 3;

/// What is to be tried.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many servers there are.
    pub servers: usize,
    /// How long the trouble lasts.
    pub time: Duration,
    /// What decides everything that is left to chance.
    pub seed: u64,
    /// How many chats are held at once.
    pub chats: usize,
}

impl Plan {
    /// The plan that the arguments stand for, for a store that servers can share or not.
    pub fn new(arguments: &VerifyArguments, is_shared: bool) -> Result<Self, VerifyError> {
        let servers = match (arguments.servers.map(usize::from), is_shared) {
            (Some(servers), true) => servers,
            (None, true) => SERVERS_DEFAULT,
            (None | Some(1), false) => 1,
            (Some(_), false) => return Err(VerifyError::SeveralOnFolder),
        };
        let seed = match arguments.seed {
            Some(seed) => seed,
            // Short enough to be typed.
            None => u64::from(u32::from_ne_bytes(random()?)),
        };
        Ok(Self {
            servers,
            time: arguments.time(),
            seed,
            chats: usize::from(arguments.chats),
        })
    }
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> Result<[u8; N], VerifyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(VerifyError::Random)?;
    Ok(bytes)
}
