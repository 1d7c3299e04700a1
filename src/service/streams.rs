//! The number of open streams: WebSockets, event streams and multipart responses of every API together.

use tokio::sync::OwnedSemaphorePermit;

use super::rates::StreamShare;
use super::{Service, Session};
use crate::telemetry::{self, Counted};

pub use crate::telemetry::streams::StreamKind;

/// One open stream, counted until this is dropped.
pub struct StreamPlace {
    _permit: OwnedSemaphorePermit,
    _share: StreamShare,
    _counted: Counted,
}

/// How long a client should wait before it tries to open a stream again, in seconds.
pub const RETRY_AFTER_SECONDS: u64 = 5;

impl Service {
    /// Counts one more stream; `None` if [`crate::config::Limits::streams_max`] are open, or the caller is at a limit.
    pub fn place_for_stream(&self, kind: StreamKind, session: &Session) -> Option<StreamPlace> {
        let share = self.share_of_streams(session)?;
        let permit = self.streams.clone().try_acquire_owned().ok()?;
        Some(StreamPlace {
            _permit: permit,
            _share: share,
            _counted: telemetry::streams::open(kind),
        })
    }

    /// How many streams are open.
    pub fn streams_open(&self) -> usize {
        self.limits
            .streams_max
            .saturating_sub(self.streams.available_permits())
    }

    /// Waits until no stream is open. No stream can be opened meanwhile.
    pub async fn streams_closed(&self) {
        let all = u32::try_from(self.limits.streams_max).unwrap_or(u32::MAX);
        // An error would mean that the semaphore was closed, which it never is.
        let _ = self.streams.acquire_many(all).await;
    }
}
