//! How many connections each room has on this server, and which of these counts are not in Redis yet.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::feed::ring::lock;

/// The rooms of this server in which somebody is.
#[derive(Default)]
pub(super) struct Rooms {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    connections: HashMap<String, usize>,
    unsent: HashSet<String>,
}

impl Rooms {
    /// Sets the count of a room.
    pub(super) fn set(&self, room: &str, connections: usize) {
        {
            let mut state = lock(&self.state);
            match connections {
                0 => state.connections.remove(room),
                _ => state.connections.insert(room.to_owned(), connections),
            };
            state.unsent.insert(room.to_owned());
        }
        self.changed.notify_one();
    }

    /// Completes when there is a count to send.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes up to `most` counts to send.
    pub(super) fn take_unsent(&self, most: usize) -> Vec<(String, usize)> {
        let mut state = lock(&self.state);
        let rooms: Vec<_> = state.unsent.iter().take(most).cloned().collect();
        let counts = rooms.into_iter().map(|room| {
            state.unsent.remove(&room);
            let connections = state.connections.get(&room).copied().unwrap_or_default();
            (room, connections)
        });
        counts.collect()
    }

    /// Has every count sent again: Redis may have lost it.
    pub(super) fn resend_all(&self) {
        {
            let mut state = lock(&self.state);
            let rooms: Vec<_> = state.connections.keys().cloned().collect();
            state.unsent.extend(rooms);
        }
        self.changed.notify_one();
    }
}
