//! The shutdown sequence, from the first signal to the end of the process: what is done in which order, and how long
//! each step may take. After the grace period, shutdown takes at most six more seconds.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use crate::drain::Drain;
use crate::engine::Engine;
use crate::service::Service;

/// How long the server waits, within the grace period, until what it was asked for is answered: as long as the store may
/// take for an answer.
const ANSWERS_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long it may take to store the ends of the replies that are cut off. What is not stored by then is closed by
/// another server, or by the next start, with the text of its last checkpoint.
const STORE_WAIT_MAX: Duration = Duration::from_secs(3);
/// How long it may take until the subscribers of these replies and chats, on all servers, have received their ends.
const PUBLISH_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long connections may take to close after that.
const LEAVE_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// How long the events of the last requests may take, after the connections, to reach the other servers.
const LAST_PUBLISH_WAIT_MAX: Duration = Duration::from_millis(500);
/// How often the log says how many replies and streams are left.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What a shutdown ends.
pub(crate) struct Shutdown {
    pub(crate) engine: Arc<Engine>,
    pub(crate) service: Arc<Service>,
    pub(crate) drain: Drain,
    pub(crate) grace: Duration,
}

impl Shutdown {
    /// Waits for the first signal, drains, and ends all replies after the grace period or at the second signal; closes
    /// streams meanwhile. Returns the number of replies whose ends are not stored.
    pub(crate) async fn run(&self, signals: impl Stream<Item = ()>) -> usize {
        // A closed signal stream means no further signal.
        let mut signals = pin!(signals.chain(stream::pending()));
        signals.next().await;
        self.engine.drain();
        self.drain.begin();
        let grace_seconds = self.grace.as_secs();
        self.report(&format!(
            "draining for up to {grace_seconds} s; told again, the server ends at once"
        ));
        tokio::select! {
            biased;
            () = self.replies() => {}
            () = self.reports() => {}
            () = sleep(self.grace) => self.report("the time to drain is over"),
            _ = signals.next() => self.report("told to end at once"),
        }
        let is_stored = timeout(STORE_WAIT_MAX, self.engine.shut_down()).await.is_ok();
        let left = if is_stored { 0 } else { self.engine.replies_left() };
        // Before streams are closed, so that their subscribers receive the ends of their replies.
        let published =
            async { tokio::join!(self.engine.readers_finished(), self.service.changes_published()) };
        let _ = timeout(PUBLISH_WAIT_MAX, published).await;
        self.drain.end();
        left
    }

    /// Serves until every connection has closed, which has to be soon after [`Shutdown::run`]. Requests are taken until
    /// then, so only after that this waits until all changes are stored and published to the other servers.
    pub(crate) async fn serve<E>(&self, serving: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let connections = async {
            serving.await?;
            self.service.streams_closed().await;
            Ok(())
        };
        let patience = async {
            self.drain.ended().await;
            sleep(LEAVE_WAIT_MAX).await;
        };
        let to_the_last = async {
            tokio::select! {
                biased;
                served = connections => served?,
                () = patience => tracing::warn!("some connections did not end in time"),
            }
            self.service.leave().await;
            Ok(())
        };
        let last = async {
            self.drain.ended().await;
            sleep(LEAVE_WAIT_MAX + LAST_PUBLISH_WAIT_MAX).await;
        };
        tokio::select! {
            biased;
            served = to_the_last => served,
            () = last => {
                tracing::warn!("events of the last requests may not have reached other servers");
                Ok(())
            }
        }
    }

    /// Waits until all replies have ended, and until requests are answered that were on their way here.
    async fn replies(&self) {
        tokio::join!(self.engine.drained(), sleep(self.drain.lead()));
        let _ = timeout(ANSWERS_WAIT_MAX, self.service.changes_finished()).await;
    }

    async fn reports(&self) {
        let mut reports = tokio::time::interval_at(Instant::now() + REPORT_EVERY, REPORT_EVERY);
        loop {
            reports.tick().await;
            self.report("draining");
        }
    }

    fn report(&self, what: &str) {
        let (replies, streams) = (self.engine.replies_left(), self.service.streams_open());
        tracing::info!(replies, streams, "{what}");
    }
}
