//! The part of `tokio::sync::watch` that live replies use, for unit tests: receivers are woken in the order in which
//! they began to wait. Tokio's own channel spreads them over eight lists at random, which cannot be seeded.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

#[derive(Default)]
struct Shared {
    version: AtomicU64,
    receivers: AtomicUsize,
    changes: Notify,
}

pub struct Sender<T> {
    shared: Arc<Shared>,
    value: PhantomData<T>,
}

pub struct Receiver<T> {
    shared: Arc<Shared>,
    seen: u64,
    value: PhantomData<T>,
}

impl<T> Sender<T> {
    pub fn new(_value: T) -> Self {
        Self {
            shared: Arc::default(),
            value: PhantomData,
        }
    }

    pub fn send_replace(&self, _value: T) {
        self.shared.version.fetch_add(1, Ordering::SeqCst);
        self.shared.changes.notify_waiters();
    }

    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.load(Ordering::SeqCst)
    }

    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.receivers.fetch_add(1, Ordering::SeqCst);
        Receiver {
            shared: self.shared.clone(),
            seen: self.shared.version.load(Ordering::SeqCst),
            value: PhantomData,
        }
    }
}

impl<T> Receiver<T> {
    pub fn borrow_and_update(&mut self) {
        self.seen = self.shared.version.load(Ordering::SeqCst);
    }

    /// Waits for a change since the last look. It never fails, because every waiting task holds the sender.
    pub async fn changed(&mut self) -> Result<(), std::convert::Infallible> {
        loop {
            let changed = self.shared.changes.notified();
            let version = self.shared.version.load(Ordering::SeqCst);
            if version != self.seen {
                self.seen = version;
                return Ok(());
            }
            changed.await;
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.fetch_sub(1, Ordering::SeqCst);
    }
}
