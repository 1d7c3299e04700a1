//! What the feed and its connection share.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, broadcast, watch};

use super::missed_chats::MissedChats;
use super::names::{Channel, Names};
use super::rooms::Rooms;
use super::scripts::Scripts;
use super::wire;
use crate::domain::{ChatId, FeedPosition, MessageId};
use crate::feed::Heard;
use crate::feed::log::Placed;
use crate::feed::ring::{Rings, lock};

/// Stop requests that have arrived and not been handled; more are found by the next checkpoint.
const WAKES_MAX: usize = 1_024;

/// The state of the feed, for the callers of this server and for the task that keeps the connection.
pub(super) struct Shared {
    /// What this server is called.
    pub(super) name: String,
    pub(super) names: Names,
    pub(super) scripts: Scripts,
    pub(super) rings: Rings,
    next_epoch: AtomicU64,
    /// Chats whose streams are to be read, because their rings lack events.
    backfills: Mutex<HashSet<ChatId>>,
    pub(super) backfill_requested: Notify,
    /// Chats that lost an event because too many operations waited.
    pub(super) overrun: Mutex<MissedChats>,
    pub(super) flush_requested: Notify,
    pub(super) listeners: Mutex<HashMap<MessageId, broadcast::Sender<Heard>>>,
    pub(super) woken: broadcast::Sender<MessageId>,
    pub(super) rooms: Rooms,
    pub(super) connection: watch::Sender<Option<MultiplexedConnection>>,
}

impl Shared {
    /// The state of the server called `name`, all of whose keys begin with `prefix`; `seed` is random.
    pub(super) fn new(prefix: &str, name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            names: Names::new(prefix),
            scripts: Scripts::new(),
            rings: Rings::new(),
            next_epoch: AtomicU64::new(seed),
            backfills: Mutex::default(),
            backfill_requested: Notify::new(),
            overrun: Mutex::default(),
            flush_requested: Notify::new(),
            listeners: Mutex::default(),
            woken: broadcast::Sender::new(WAKES_MAX),
            rooms: Rooms::default(),
            connection: watch::Sender::default(),
        }
    }

    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        self.connection.borrow().clone()
    }

    pub(super) fn set_connection(&self, connection: Option<MultiplexedConnection>) {
        self.connection.send_replace(connection);
    }

    /// A position that no other server knows.
    pub(super) fn local_position(&self) -> FeedPosition {
        FeedPosition {
            epoch: self.next_epoch.fetch_add(1, Ordering::Relaxed),
            sequence: 0,
        }
    }

    /// Handles a message of a channel. The connection itself calls this, so it never waits.
    pub(super) fn receive(&self, data: &[Value]) {
        let [Value::BulkString(channel), Value::BulkString(message)] = data else {
            return;
        };
        match (self.names.channel(channel), wire::split(message)) {
            (Some(Channel::Chat(chat)), Some((wire::TYPING, state))) => {
                if let (Some(ring), Some(typing)) = (self.rings.find(chat), wire::decode_typing(state)) {
                    ring.show_typing(typing);
                }
            }
            (Some(Channel::Chat(chat)), Some((id, event))) => self.receive_event(chat, id, event),
            (Some(Channel::Reply(reply)), Some((offset, text))) => {
                let heard = match offset.parse() {
                    Ok(offset) => Heard::Piece {
                        offset,
                        text: text.to_owned(),
                    },
                    Err(_) => Heard::Ended,
                };
                if let Some(listeners) = lock(&self.listeners).get(&reply) {
                    // Fails if the last listener is gone.
                    let _ = listeners.send(heard);
                }
            }
            (Some(Channel::Own), Some((_, reply))) => {
                if let Ok(reply) = MessageId::parse(reply) {
                    // Fails if the engine does not listen yet, and then it has no reply to stop.
                    let _ = self.woken.send(reply);
                }
            }
            _ => {}
        }
    }

    fn receive_event(&self, chat: ChatId, id: &str, event: &str) {
        let (Some(ring), Some(position)) = (self.rings.find(chat), wire::position(id)) else {
            return;
        };
        let Some(event) = wire::decode(event) else {
            // The stream was reset, or the event is of a later version.
            return ring.renew(position);
        };
        if ring.place(position, event) == Placed::Incomplete {
            self.request_backfill(chat);
        }
    }

    pub(super) fn request_backfill(&self, chat: ChatId) {
        lock(&self.backfills).insert(chat);
        self.backfill_requested.notify_one();
    }

    pub(super) fn take_backfills(&self) -> Vec<ChatId> {
        lock(&self.backfills).drain().collect()
    }

    /// Waits before Redis is tried again; a flush ends the wait.
    pub(super) async fn pause(&self, wait: Duration) {
        let _ = tokio::time::timeout(wait, self.flush_requested.notified()).await;
    }

    pub(super) fn listened(&self) -> std::vec::IntoIter<MessageId> {
        let replies: Vec<_> = lock(&self.listeners).keys().copied().collect();
        replies.into_iter()
    }

    pub(super) fn mark_listeners_missed(&self) {
        for listeners in lock(&self.listeners).values() {
            let _ = listeners.send(Heard::Missed);
        }
    }

    pub(super) fn remove_idle_listeners(&self) -> Vec<MessageId> {
        let mut gone = Vec::new();
        lock(&self.listeners).retain(|reply, listeners| {
            let stays = listeners.receiver_count() > 0;
            if !stays {
                gone.push(*reply);
            }
            stays
        });
        gone
    }
}
