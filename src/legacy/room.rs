//! Who is in a chat over the documented socket: how many sockets of each chat are open on this server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The rooms in which somebody is. One that nobody is in takes no memory.
#[derive(Clone, Default)]
pub struct Rooms(Arc<Mutex<HashMap<String, usize>>>);

/// One socket's place in a room, which is free again when this is dropped.
pub struct Seat {
    rooms: Rooms,
    room: String,
}

impl Rooms {
    /// Takes a place in the room of a chat, whether or not there is such a chat.
    pub fn enter(&self, chat: &str) -> Seat {
        let room = name(chat);
        *self.lock().entry(room.clone()).or_default() += 1;
        Seat {
            rooms: self.clone(),
            room,
        }
    }

    /// How many are in the room of a chat.
    pub fn count(&self, chat: &str) -> usize {
        self.lock().get(&name(chat)).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        if let Some(count) = rooms.get_mut(&self.room) {
            *count -= 1;
            if *count == 0 {
                rooms.remove(&self.room);
            }
        }
    }
}

/// Ids are read in either case, so both mean one room.
fn name(chat: &str) -> String {
    chat.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_goes_with_the_last_who_leaves_it() {
        let rooms = Rooms::default();
        let seats = [rooms.enter("AB"), rooms.enter("ab"), rooms.enter("")];
        assert_eq!((rooms.count("aB"), rooms.count(""), rooms.count("c")), (2, 1, 0));
        drop(seats);
        assert!(rooms.lock().is_empty());
    }
}
