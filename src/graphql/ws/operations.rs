//! Which operations of a socket are under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::Outgoing;

/// Why an operation cannot begin.
pub(super) enum Unreserved {
    /// One of the same id is under way.
    Taken,
    /// As many as one socket may have are under way.
    TooMany,
}

/// A share of the operations that one socket may have under way, until the last clone is dropped.
pub(super) type Permit = Arc<OwnedSemaphorePermit>;

/// The operations of one socket. Each carries a generation, so that nothing of a completed one reaches a later one
/// that takes the same id.
#[derive(Clone)]
pub(super) struct Operations {
    running: Arc<Mutex<Running>>,
    permits: Arc<Semaphore>,
}

#[derive(Default)]
struct Running {
    generations: u64,
    by_id: HashMap<String, Operation>,
}

struct Operation {
    generation: u64,
    /// Whether it is a query or a mutation, which has one answer.
    is_answer: bool,
    /// `None` until its task has started.
    task: Option<AbortHandle>,
    _permit: Permit,
}

impl Operations {
    /// No operations, of which at most `max` may be under way.
    pub(super) fn new(max: usize) -> Self {
        Self {
            running: Arc::default(),
            permits: Arc::new(Semaphore::new(max)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A generation and a permit for a new operation. Its id can be used again when either side has completed it; the
    /// permit is given back when its execution has ended too.
    pub(super) fn reserve(&self, id: &str) -> Result<(u64, Permit), Unreserved> {
        let mut running = self.lock();
        if running.by_id.contains_key(id) {
            return Err(Unreserved::Taken);
        }
        let permit = self.permits.clone().try_acquire_owned();
        let permit = Arc::new(permit.map_err(|_| Unreserved::TooMany)?);
        running.generations += 1;
        let generation = running.generations;
        let operation = Operation {
            generation,
            is_answer: false,
            task: None,
            _permit: permit.clone(),
        };
        running.by_id.insert(id.to_owned(), operation);
        Ok((generation, permit))
    }

    /// Notes the task of a reserved operation, which may have finished already.
    pub(super) fn start(&self, id: &str, generation: u64, is_answer: bool, task: AbortHandle) {
        if let Some(operation) = self
            .lock()
            .by_id
            .get_mut(id)
            .filter(|operation| operation.generation == generation)
        {
            operation.is_answer = is_answer;
            operation.task = Some(task);
        }
    }

    /// What to write of a message, if it is still wanted; the last one of an operation ends it.
    pub(super) fn frame(&self, outgoing: Outgoing) -> Option<Message> {
        match outgoing {
            Outgoing::Frame(frame) => Some(frame),
            Outgoing::Of {
                id,
                generation,
                text,
                is_last,
            } => self
                .is_current(&id, generation, is_last)
                .then(|| Message::Text(text.into())),
        }
    }

    fn is_current(&self, id: &str, generation: u64, is_last: bool) -> bool {
        let mut running = self.lock();
        let is_current = running
            .by_id
            .get(id)
            .is_some_and(|operation| operation.generation == generation);
        if is_current && is_last {
            running.by_id.remove(id);
        }
        is_current
    }

    pub(super) fn complete(&self, id: &str) {
        let operation = self.lock().by_id.remove(id);
        if let Some(task) = operation.and_then(|operation| operation.task) {
            task.abort();
        }
    }

    /// Ends the tasks of all. What they have said already is still wanted.
    pub(super) fn halt(&self) {
        for operation in self.lock().by_id.values() {
            operation.task.as_ref().inspect(|task| task.abort());
        }
    }

    /// Ends subscriptions; nothing that they have said is wanted any more.
    pub(super) fn abort_subscriptions(&self) {
        self.lock().by_id.retain(|_, operation| {
            if !operation.is_answer {
                operation.task.as_ref().inspect(|task| task.abort());
            }
            operation.is_answer
        });
    }

    pub(super) fn abort_all(&self) {
        for (_, operation) in self.lock().by_id.drain() {
            operation.task.inspect(AbortHandle::abort);
        }
    }
}
