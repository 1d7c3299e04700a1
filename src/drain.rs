//! How a server goes down: what has begun, and when each of its streams is told to go.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long a server that others stand in for still takes connections: requests were on their way when whoever sent
/// them learnt that it goes down. Its streams are told to go one after the other within this time, because all of them
/// at once would come to another server at once.
pub const LEAD: Duration = Duration::from_secs(2);
/// How long a socket whose session is over, or whose server has ended its drain, may take to give the answers of requests
/// under way.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// When to ask another server what this one does not begin any more, in seconds.
pub const RETRY_AFTER_SECONDS: u64 = 1;

/// Where a server stands on its way down. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Drain(Arc<State>);

struct State {
    has_others: bool,
    begun: CancellationToken,
    over: CancellationToken,
    streams: AtomicU32,
}

impl Drain {
    /// A server that is not on its way down; `has_others` says that other servers can serve its streams, because they
    /// share its store.
    pub fn new(has_others: bool) -> Self {
        Self(Arc::new(State {
            has_others,
            begun: CancellationToken::new(),
            over: CancellationToken::new(),
            streams: AtomicU32::new(0),
        }))
    }

    /// From now on nothing new is begun.
    pub fn begin(&self) {
        self.0.begun.cancel();
    }

    /// From now on nothing is served: what is still open is closed.
    pub fn end(&self) {
        self.begin();
        self.0.over.cancel();
    }

    /// Whether the server is on its way down.
    pub fn has_begun(&self) -> bool {
        self.0.begun.is_cancelled()
    }

    /// Whether clients should go to another server now.
    pub fn sends_away(&self) -> bool {
        self.has_begun() && self.0.has_others || self.0.over.is_cancelled()
    }

    /// How long connections are still taken once the drain has begun, whatever is left to do: nothing but the end of the
    /// replies counts where nobody else can serve.
    pub fn lead(&self) -> Duration {
        match self.0.has_others {
            true => LEAD,
            false => Duration::ZERO,
        }
    }

    /// Completes at the end.
    pub async fn ended(&self) {
        self.0.over.cancelled().await;
    }

    /// Waits for the last answers of a socket that is told to go, until [`ANSWER_WAIT_MAX`] after the end at most.
    pub async fn answered(&self, answering: impl Future) {
        let patience = async {
            self.ended().await;
            tokio::time::sleep(ANSWER_WAIT_MAX).await;
        };
        tokio::select! {
            biased;
            _ = answering => {}
            () = patience => {}
        }
    }

    /// Completes when no more connections are taken: at the end, or [`LEAD`] after the beginning where others can
    /// serve. A proxy that finds nobody listening tries the next server.
    pub fn closes_doors(&self) -> impl Future<Output = ()> + Send + use<> {
        self.told_after(LEAD)
    }

    /// Completes when a stream is to go: at the end, or at a moment of its own within [`LEAD`] where others can serve.
    pub fn departure(&self) -> impl Future<Output = ()> + Send + use<> {
        // Multiples of the golden ratio: however many streams there are, their moments are spread evenly.
        let nth = self.0.streams.fetch_add(1, Ordering::Relaxed);
        let share = f64::from(nth.wrapping_mul(0x9e37_79b9)) / f64::from(u32::MAX);
        self.told_after(LEAD.mul_f64(share))
    }

    fn told_after(&self, wait: Duration) -> impl Future<Output = ()> + Send + use<> {
        let state = self.0.clone();
        async move {
            let early = async {
                match state.has_others {
                    true => state.begun.cancelled().await,
                    false => std::future::pending().await,
                }
                tokio::time::sleep(wait).await;
            };
            tokio::select! {
                biased;
                () = state.over.cancelled() => {}
                () = early => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use tokio::time::Instant;

    async fn departures(drain: &Drain, streams: usize) -> Vec<Duration> {
        let begun = Instant::now();
        let departures = (0..streams).map(|_| drain.departure());
        join_all(departures.map(async |departure| {
            departure.await;
            begun.elapsed()
        }))
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_others_can_serve_go_one_after_the_other() {
        for streams in [2, 10, 1000] {
            let drain = Drain::new(true);
            drain.begin();
            let mut moments = departures(&drain, streams).await;
            moments.sort();
            assert!(
                moments
                    .iter()
                    .all(|moment| *moment <= LEAD + Duration::from_millis(1))
            );
            // Half of them in either half, whatever their number.
            let early = moments.iter().filter(|moment| **moment < LEAD / 2).count();
            assert!(
                early.abs_diff(streams / 2) <= 1 + streams / 50,
                "{early} of {streams}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_nobody_else_can_serve_stay_to_the_end() {
        let drain = Drain::new(false);
        drain.begin();
        assert!(drain.has_begun() && !drain.sends_away());
        let stays = tokio::time::timeout(LEAD * 100, drain.departure()).await;
        assert!(stays.is_err());
        assert!(
            tokio::time::timeout(LEAD * 100, drain.closes_doors())
                .await
                .is_err()
        );
        drain.end();
        assert!(departures(&drain, 10).await.iter().all(Duration::is_zero));
        assert!(drain.sends_away());
    }
}
