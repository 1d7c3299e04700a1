//! Connection counts: the legacy sockets and subscriptions of a chat, on all servers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Error, Service};
use crate::domain::{ChatId, Viewer};
use crate::feed::Fleet;

/// The connection counts of this server, one for each room. An empty room takes no memory.
#[derive(Clone, Default)]
pub struct Rooms {
    seats: Arc<Mutex<HashMap<String, usize>>>,
    fleet: Option<Arc<dyn Fleet>>,
}

/// One connection, counted in its room until this is dropped.
pub struct Seat {
    rooms: Rooms,
    room: String,
}

impl Rooms {
    pub(super) fn new(fleet: Option<Arc<dyn Fleet>>) -> Self {
        Self {
            seats: Arc::default(),
            fleet,
        }
    }

    fn enter(&self, chat: &str) -> Seat {
        let room = name(chat);
        let mut seats = self.lock();
        let count = seats.entry(room.clone()).or_default();
        *count += 1;
        // Under the lock, so that counts are announced in order.
        self.announce(&room, *count);
        Seat {
            rooms: self.clone(),
            room,
        }
    }

    fn count(&self, chat: &str) -> usize {
        self.lock().get(&name(chat)).copied().unwrap_or_default()
    }

    /// Announces a count to the other servers, unless the room is not named like a chat: clients choose these names.
    fn announce(&self, room: &str, count: usize) {
        if let Some(fleet) = self.fleet.as_ref().filter(|_| ChatId::parse(room).is_ok()) {
            fleet.announce(room, count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.rooms.lock();
        if let Some(count) = seats.get_mut(&self.room) {
            *count -= 1;
            self.rooms.announce(&self.room, *count);
            if *count == 0 {
                seats.remove(&self.room);
            }
        }
    }
}

impl Service {
    /// Counts a connection to a chat, whether or not the chat exists.
    pub fn enter_room(&self, chat: &str) -> Seat {
        self.rooms.enter(chat)
    }

    /// The number of connections to a chat, whether or not it exists. For a viewer with a token, it is 0 unless they
    /// may read the chat, so that another user's chat looks like a missing one.
    pub async fn connection_count(&self, viewer: &Viewer, chat: &str) -> Result<usize, Error> {
        if *viewer != Viewer::Anonymous {
            let visible = match ChatId::parse(chat) {
                Ok(id) => self.chats_by_id(viewer, &[id]).await?,
                Err(_) => HashMap::new(),
            };
            if visible.is_empty() {
                return Ok(0);
            }
        }
        let counts = self.connection_counts(&[chat.to_owned()]).await;
        Ok(counts.first().copied().unwrap_or_default())
    }

    /// The number of connections to each of these chats, in their order. Counts of other servers are included if they
    /// can be read, and are slightly delayed.
    pub async fn connection_counts(&self, chats: &[String]) -> Vec<usize> {
        let mut counts: Vec<_> = chats.iter().map(|chat| self.rooms.count(chat)).collect();
        if let Some(fleet) = &self.rooms.fleet {
            let rooms: Vec<_> = chats.iter().map(|chat| name(chat)).collect();
            let elsewhere = fleet.connections(&rooms).await;
            counts
                .iter_mut()
                .zip(elsewhere)
                .for_each(|(count, more)| *count += more);
        }
        counts
    }
}

/// The name of a chat's room. Ids are accepted in upper and lower case, which both mean one room.
fn name(chat: &str) -> String {
    chat.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_goes_with_the_last_who_leaves_it() {
        let rooms = Rooms::new(None);
        let seats = [rooms.enter("AB"), rooms.enter("ab"), rooms.enter("")];
        assert_eq!((rooms.count("aB"), rooms.count(""), rooms.count("c")), (2, 1, 0));
        drop(seats);
        assert!(rooms.lock().is_empty());
    }
}
