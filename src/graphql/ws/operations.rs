//! Which operations of a socket are under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Message;
use tokio::task::AbortHandle;

use super::Outgoing;

/// Why an operation cannot begin.
pub(super) enum Unreserved {
    /// One of the same id is under way.
    Taken,
    /// As many as one socket may have are under way.
    TooMany,
}

/// The operations of one socket. Each carries a generation, so that nothing of a completed one reaches a later one
/// that takes the same id.
#[derive(Clone, Default)]
pub(super) struct Operations(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    generations: u64,
    by_id: HashMap<String, (u64, Option<AbortHandle>)>,
}

impl Operations {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A generation for a new operation, of which at most `max` run.
    pub(super) fn reserve(&self, id: &str, max: usize) -> Result<u64, Unreserved> {
        let mut running = self.lock();
        if running.by_id.contains_key(id) {
            return Err(Unreserved::Taken);
        }
        if running.by_id.len() >= max {
            return Err(Unreserved::TooMany);
        }
        running.generations += 1;
        let generation = running.generations;
        running.by_id.insert(id.to_owned(), (generation, None));
        Ok(generation)
    }

    /// Notes the task of a reserved operation, which may have finished already.
    pub(super) fn start(&self, id: &str, generation: u64, task: AbortHandle) {
        if let Some((_, handle)) = self
            .lock()
            .by_id
            .get_mut(id)
            .filter(|(current, _)| *current == generation)
        {
            *handle = Some(task);
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
            .is_some_and(|(current, _)| *current == generation);
        if is_current && is_last {
            running.by_id.remove(id);
        }
        is_current
    }

    pub(super) fn complete(&self, id: &str) {
        if let Some((_, Some(task))) = self.lock().by_id.remove(id) {
            task.abort();
        }
    }

    /// Ends the tasks of all. What they have said already is still wanted.
    pub(super) fn halt(&self) {
        for (_, task) in self.lock().by_id.values() {
            task.as_ref().inspect(|task| task.abort());
        }
    }

    pub(super) fn abort_all(&self) {
        for (_, (_, task)) in self.lock().by_id.drain() {
            task.inspect(AbortHandle::abort);
        }
    }
}
