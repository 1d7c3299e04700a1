//! What the trial's clients share: the servers, the notes, and when to stop.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use graphql_client::GraphQLQuery;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fleet::{Fleet, Slot};
use super::ledger::Ledger;
use crate::cli::client::ClientError;

/// The pause before the same is asked elsewhere, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 30..300;

/// What the clients share.
pub struct Crew {
    /// The servers.
    pub fleet: Fleet,
    /// The notes.
    pub ledger: Arc<Ledger>,
    /// Nothing new is begun.
    pub enough: CancellationToken,
    /// What is under way is given up.
    pub over: CancellationToken,
    /// Those who end by themselves when everything has come to rest: writers and readers of replies.
    pub tasks: TaskTracker,
    /// Those who go on until all is over.
    pub watchers: TaskTracker,
}

impl Crew {
    /// Asks any server, and another one for as long as that fails in passing; `heard` is told each one that may have
    /// heard. `None` if all is over before there is an answer.
    pub async fn ask_anybody<Q: GraphQLQuery>(
        &self,
        rng: &mut Rng,
        variables: impl Fn() -> Q::Variables,
        mut heard: impl FnMut(usize),
    ) -> Option<(Arc<Slot>, Result<Q::ResponseData, ClientError>)> {
        loop {
            let slot = self.fleet.any(rng).clone();
            heard(slot.index);
            let answer = self
                .over
                .run_until_cancelled(slot.server.ask::<Q>(variables()))
                .await?;
            match answer {
                Err(error) if error.is_passing() => self.pause(rng).await?,
                answer => return Some((slot, answer)),
            }
        }
    }

    /// Waits a little, unless all is over.
    pub async fn pause(&self, rng: &mut Rng) -> Option<()> {
        let pause = Duration::from_millis(rng.u64(PAUSE_MS));
        self.over.run_until_cancelled(tokio::time::sleep(pause)).await
    }

    /// Waits, unless there is enough.
    pub async fn wait(&self, time: Duration) -> Option<()> {
        self.enough.run_until_cancelled(tokio::time::sleep(time)).await
    }
}
