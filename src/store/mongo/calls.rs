//! The calls under way on one client: how many there may be, and how long each is waited for.
//!
//! The driver bounds neither. A call to a server that hangs goes on after its caller was answered, and keeps its
//! connection until the driver has found the server dead; those behind it would wait for a connection without end. So
//! a call begins only with a place, which it gives back when the driver is done with it. There are as many places as
//! connections: a call that has one does not wait for a connection.

use std::sync::Arc;
use std::time::Duration;

use mongodb::Collection;
use mongodb::bson::RawDocumentBuf;
use mongodb::error::Result as DriverResult;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::operation::{ANSWER_TIMEOUT, answered};
use crate::store::StoreError;

/// How long a call waits for a place. Well below [`ANSWER_TIMEOUT`], which counts from the same moment.
const PLACE_TIMEOUT: Duration = Duration::from_secs(3);

/// How much earlier than its caller the server gives up a call of [`Documents::write_in_time`]: as long as a command may
/// be on its way.
const WAY: Duration = Duration::from_millis(500);

/// The places of one client.
#[derive(Clone)]
pub(super) struct Calls {
    all: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

/// What a call holds while the driver is at it.
struct Places {
    _any: OwnedSemaphorePermit,
    _write: Option<OwnedSemaphorePermit>,
}

impl Calls {
    /// As many places as the client has connections. A quarter of them, rounded down, is never taken by writes: a disk
    /// that stands still holds them up, and not the reads.
    pub(super) fn new(connections: u32) -> Self {
        let places = usize::try_from(connections)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .max(1);
        Self {
            all: Arc::new(Semaphore::new(places)),
            writes: Arc::new(Semaphore::new(places - places / 4)),
        }
    }

    /// Makes a call that changes nothing, in a task of its own: the driver's futures must never be dropped half way,
    /// and a caller's may be at any time. The caller waits [`ANSWER_TIMEOUT`] in all; the call goes on after that.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        call: impl Future<Output = DriverResult<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let take = async || {
            Ok(Places {
                _write: None,
                _any: self.all.clone().acquire_owned().await?,
            })
        };
        make(take, call).await
    }

    /// [`Calls::read`], of a call that writes.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        call: impl Future<Output = DriverResult<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let take = async || {
            Ok(Places {
                _write: Some(self.writes.clone().acquire_owned().await?),
                _any: self.all.clone().acquire_owned().await?,
            })
        };
        make(take, call).await
    }
}

async fn make<T: Send + 'static>(
    take: impl AsyncFnOnce() -> Result<Places, AcquireError>,
    call: impl Future<Output = DriverResult<T>> + Send + 'static,
) -> Result<T, StoreError> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let places = match timeout(PLACE_TIMEOUT, take()).await {
        Ok(Ok(places)) => places,
        Ok(Err(closed)) => return Err(StoreError::Failed(closed.into())),
        Err(_) => {
            return Err(StoreError::Unavailable(
                "as many calls as there may be are under way".into(),
            ));
        }
    };
    let task = tokio::spawn(async move {
        let answer = call.await;
        drop(places);
        answer
    });
    answered(timeout_at(deadline, task).await)
}

/// A collection, and the places of its client.
#[derive(Clone)]
pub(super) struct Documents {
    /// The collection itself, for calls that are made before anybody is served.
    pub(super) bare: Collection<RawDocumentBuf>,
    calls: Calls,
}

impl Documents {
    /// The collection `bare` of a client with these places.
    pub(super) fn new(bare: Collection<RawDocumentBuf>, calls: &Calls) -> Self {
        let calls = calls.clone();
        Self { bare, calls }
    }

    /// See [`Calls::read`]. The driver's futures have many kilobytes, so they are made where they stay.
    pub(super) async fn read<T, C>(
        &self,
        call: impl FnOnce(Collection<RawDocumentBuf>) -> C,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        C: Future<Output = DriverResult<T>> + Send + 'static,
    {
        self.calls.read(Box::pin(call(self.bare.clone()))).await
    }

    /// See [`Calls::write`].
    pub(super) async fn write<T, C>(
        &self,
        call: impl FnOnce(Collection<RawDocumentBuf>) -> C,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        C: Future<Output = DriverResult<T>> + Send + 'static,
    {
        self.calls.write(Box::pin(call(self.bare.clone()))).await
    }

    /// [`Documents::write`], of a call that could undo a later one. It is given how long the server may take, for the
    /// option `max_time`: the server then gives up before the caller does, also if it waits for a lock or a disk.
    pub(super) async fn write_in_time<T, C>(
        &self,
        call: impl FnOnce(Collection<RawDocumentBuf>, Duration) -> C + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        C: Future<Output = DriverResult<T>> + Send + 'static,
    {
        let (collection, deadline) = (self.bare.clone(), Instant::now() + ANSWER_TIMEOUT - WAY);
        let call = async move {
            // To the server no time at all is any time.
            let left = deadline
                .duration_since(Instant::now())
                .max(Duration::from_millis(1));
            call(collection, left).await
        };
        self.calls.write(Box::pin(call)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_keeps_its_place_after_its_caller_left_and_the_next_waits_a_bounded_time() {
        let calls = Calls::new(1);
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let begun = Instant::now();
        let hung = calls.read(async move {
            let _ = finished.await;
            Ok(())
        });
        assert!(matches!(hung.await, Err(StoreError::Unavailable(_))));
        assert_eq!(begun.elapsed(), ANSWER_TIMEOUT);
        let begun = Instant::now();
        for _ in 0..2 {
            assert!(matches!(
                calls.write(async { Ok(()) }).await,
                Err(StoreError::Unavailable(_))
            ));
        }
        assert_eq!(begun.elapsed(), 2 * PLACE_TIMEOUT);
        finish.send(()).unwrap();
        calls.write(async { Ok(()) }).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn writes_that_hang_leave_places_for_reads_and_reads_for_all() {
        let calls = Calls::new(4);
        let hang = || calls.write(std::future::pending::<DriverResult<()>>());
        futures_util::future::join_all((0..4).map(|_| hang())).await;
        calls.read(async { Ok(()) }).await.unwrap();
        assert!(matches!(hang().await, Err(StoreError::Unavailable(_))));
        calls.read(async { Ok(()) }).await.unwrap();
    }
}
