//! How many connections each room has on this server, and which of these figures the others are still to be told.

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
    untold: HashSet<String>,
}

impl Rooms {
    /// Notes a room's figure.
    pub(super) fn set(&self, room: &str, connections: usize) {
        {
            let mut state = lock(&self.state);
            match connections {
                0 => state.connections.remove(room),
                _ => state.connections.insert(room.to_owned(), connections),
            };
            state.untold.insert(room.to_owned());
        }
        self.changed.notify_one();
    }

    /// Completes when there is something to tell.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Up to `most` figures to tell.
    pub(super) fn take_untold(&self, most: usize) -> Vec<(String, usize)> {
        let mut state = lock(&self.state);
        let rooms: Vec<_> = state.untold.iter().take(most).cloned().collect();
        let told = rooms.into_iter().map(|room| {
            state.untold.remove(&room);
            let connections = state.connections.get(&room).copied().unwrap_or_default();
            (room, connections)
        });
        told.collect()
    }

    /// Everything is to be told again: Redis may have forgotten it.
    pub(super) fn tell_all(&self) {
        {
            let mut state = lock(&self.state);
            let rooms: Vec<_> = state.connections.keys().cloned().collect();
            state.untold.extend(rooms);
        }
        self.changed.notify_one();
    }
}
