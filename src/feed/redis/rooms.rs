//! How many connections each room has on this server, and which of these counts are not in Redis yet.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::feed::ring::lock;

/// The rooms of this server that have connections.
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

impl State {
    fn count(&self, room: &str) -> usize {
        self.connections.get(room).copied().unwrap_or_default()
    }
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

    /// Up to `most` counts to send. They stay unsent until [`Rooms::mark_sent`]: without that, the count of a room that
    /// has become empty would be lost if sending it fails.
    pub(super) fn unsent(&self, most: usize) -> Vec<(String, usize)> {
        let state = lock(&self.state);
        let rooms = state.unsent.iter().take(most);
        rooms.map(|room| (room.clone(), state.count(room))).collect()
    }

    /// Notes that Redis has these counts. Those that have changed since stay unsent.
    pub(super) fn mark_sent(&self, sent: &[(String, usize)]) {
        let mut state = lock(&self.state);
        for (room, connections) in sent {
            if state.count(room) == *connections {
                state.unsent.remove(room);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_unsent_until_redis_has_it_also_if_nobody_is_in_the_room_any_more() {
        let rooms = Rooms::default();
        let sent = |room: &str, connections| vec![(room.to_owned(), connections)];
        rooms.set("a", 1);
        rooms.mark_sent(&sent("a", 1));
        rooms.set("a", 0);
        assert_eq!(rooms.unsent(2), sent("a", 0));
        // Sending them failed.
        rooms.resend_all();
        assert_eq!(rooms.unsent(2), sent("a", 0));
        // Somebody came while it was sent.
        rooms.set("a", 2);
        rooms.mark_sent(&sent("a", 0));
        assert_eq!(rooms.unsent(2), sent("a", 2));
        rooms.mark_sent(&sent("a", 2));
        assert!(rooms.unsent(2).is_empty());
    }
}
