//! The way down, from the wish that a server end to its end: what is done in which order, and how long each step may
//! take. Behind the grace it is six seconds altogether.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use crate::drain::Drain;
use crate::engine::Engine;
use crate::service::Service;

/// How long the ends of replies that had no more time may take to be stored. Those that are not are found by another
/// server, or the next one, which knows their last checkpoint only.
const STORE_WAIT_MAX: Duration = Duration::from_secs(3);
/// How long those who follow these replies and chats may take to hear of their ends, on all servers.
const TELL_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long connections may take to end then.
const LEAVE_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// How long the events of the last requests may take after that to reach the other servers.
const LAST_TELL_WAIT_MAX: Duration = Duration::from_millis(500);
/// How often the log says what is left.
const REPORT_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Descent {
    pub(crate) engine: Arc<Engine>,
    pub(crate) service: Arc<Service>,
    pub(crate) drain: Drain,
    pub(crate) grace: Duration,
}

impl Descent {
    /// Ends all replies once the first wish has come, after the grace or at the second wish: how many are left whose
    /// ends are not stored. Streams are told to go on the way.
    pub(crate) async fn go(&self, wishes: impl Stream<Item = ()>) -> usize {
        // When nobody is left to wish for anything, nobody does.
        let mut wishes = pin!(wishes.chain(stream::pending()));
        wishes.next().await;
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
            _ = wishes.next() => self.report("told to end at once"),
        }
        let is_stored = timeout(STORE_WAIT_MAX, self.engine.shut_down()).await.is_ok();
        let left = if is_stored { 0 } else { self.engine.replies_left() };
        // Before streams are closed, so that their subscribers receive the ends of their replies.
        let told = async { tokio::join!(self.engine.told(), self.service.settled()) };
        let _ = timeout(TELL_WAIT_MAX, told).await;
        self.drain.end();
        left
    }

    /// Serves to the end of every connection, which behind [`Descent::go`] must come soon. Requests are taken until then, so
    /// only after it is it waited until all changes are made and their events have reached the other servers.
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
            self.service.settled().await;
            Ok(())
        };
        let last = async {
            self.drain.ended().await;
            sleep(LEAVE_WAIT_MAX + LAST_TELL_WAIT_MAX).await;
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

    /// Waits until all replies have ended, and until nobody who was on the way here is turned away unheard.
    async fn replies(&self) {
        tokio::join!(self.engine.drained(), sleep(self.drain.lead()));
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
