//! The moments of a chat's messages, which only ever rise: the chat's document holds the latest one that was given out,
//! and whoever writes takes a later one in the same command that finds the chat.
//!
//! A chat that Colloquy has not written in yet has no such field; its newest message is then looked at once.

use std::time::Duration;

use mongodb::Collection;
use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use mongodb::error::Result as DriverResult;
use mongodb::options::{Hint, ReturnDocument};

use super::aside::{before_insert, is_old};
use super::counts::COUNTS;
use super::document::{read_chat, read_one};
use super::fields::{Fields, stored_date, stored_id, stored_user_id};
use super::operation::ANSWER_TIMEOUT;
use super::{MongoStore, indexes};
use crate::domain::{Chat, ChatId, Message, Timestamp, UserId, whole_millis};
use crate::store::StoreError;
use crate::store::dates::MILLIS_MAX;

/// The field of a chat that moments are given out from.
pub(super) const MOMENTS: &str = "moments";
/// The latest moment given out.
const LAST: &str = "moments.last";

/// A write that takes longer than this to follow its moment asks again whether its chat lives: its process was frozen.
pub(super) const MOMENT_HOLDS_FOR: Duration = Duration::from_secs(10);

/// How far a moment may be behind the clock of the store when it is given out. A server whose clock is further behind
/// writes messages that are dated so, and none that come before what was counted long ago.
const LAG_MAX: Duration = Duration::from_secs(60);

/// What a write needs of its chat.
pub(super) struct Wish<'a> {
    pub(super) chat: ChatId,
    /// Whose chat it has to be; `None` for anybody's.
    pub(super) chat_of: Option<&'a UserId>,
    /// The earliest moment that the first message may get.
    pub(super) at: Timestamp,
    /// Whether a second message follows, a millisecond later.
    pub(super) is_pair: bool,
    pub(super) moves_chat_up: bool,
}

/// What a write was given.
pub(super) struct Moments {
    /// The chat as it now is.
    pub(super) chat: Chat,
    /// The moment of the first message.
    pub(super) first: Timestamp,
    /// The moment of the last message, which is the first one unless there are two.
    pub(super) last: Timestamp,
    /// When they were given, by the clock of the store.
    pub(super) given_at: Timestamp,
    moved_chat_up: bool,
}

impl Wish<'_> {
    /// The chats that this may be given by. Without the newest message of the chat, only where the field is there.
    fn filter(&self, newest: Option<DateTime>) -> Document {
        let mut filter = doc! { "_id": stored_id(self.chat.0) };
        if let Some(user) = self.chat_of {
            filter.insert("user_id", stored_user_id(user));
        }
        if newest.is_none() {
            filter.insert(LAST, doc! { "$type": "date" });
        }
        filter
    }

    fn update(&self, newest: Option<DateTime>) -> Document {
        let last = format!("${LAST}");
        let latest = match newest {
            // The greatest of several passes over what is missing.
            Some(newest) => doc! { "$max": [last, newest] },
            None => doc! { "$max": [last] },
        };
        let at = stored_date(self.at);
        let earliest = doc! { "$subtract": ["$$NOW", whole_millis(LAG_MAX)] };
        let first = doc! { "$max": [at, { "$add": [latest, 1] }, earliest] };
        let last = if self.is_pair {
            doc! { "$add": [first, 1] }
        } else {
            first
        };
        let before = doc! { "$ifNull": ["$updated_at", Bson::Null] };
        let mut set = doc! { MOMENTS: { "last": last, "given_at": "$$NOW", "chat_updated_at": before } };
        if self.moves_chat_up {
            set.insert("updated_at", doc! { "$max": ["$updated_at", at] });
        }
        doc! { "$set": set }
    }
}

impl MongoStore {
    /// Takes the next moments of a chat, in one command where Colloquy has written in it before; `None` if there is no
    /// such chat.
    pub(super) async fn take_moments(&self, wish: &Wish<'_>) -> Result<Option<Moments>, StoreError> {
        if let Some(moments) = self.take_moments_after(wish, None).await? {
            return Ok(Some(moments));
        }
        let newest = self.newest_date(wish.chat).await?;
        self.take_moments_after(wish, Some(newest)).await
    }

    async fn take_moments_after(
        &self,
        wish: &Wish<'_>,
        newest: Option<DateTime>,
    ) -> Result<Option<Moments>, StoreError> {
        let (filter, update) = (wish.filter(newest), vec![wish.update(newest)]);
        let taken = self.chats.write(|chats| async move {
            chats
                .find_one_and_update(filter, update)
                .return_document(ReturnDocument::After)
                .await
        });
        let Some(document) = taken.await? else {
            return Ok(None);
        };
        let given = Fields::of(&document).nested(MOMENTS).and_then(|moments| {
            let last = moments.date("last")?;
            Some((last, moments.date("given_at")?))
        });
        let (last, given_at) =
            given.ok_or_else(|| StoreError::Corrupt("a chat without the moment it gave".into()))?;
        let chat = read_one(Some(document), read_chat)?;
        Ok(chat.map(|chat| Moments {
            chat,
            first: last.plus_millis(-i64::from(wish.is_pair)),
            last,
            given_at,
            moved_chat_up: wish.moves_chat_up,
        }))
    }

    /// The greatest date of a chat's messages, or one before all that are written.
    async fn newest_date(&self, chat: ChatId) -> Result<DateTime, StoreError> {
        let filter = doc! { "chat_id": stored_id(chat.0), "created_ts": { "$gte": DateTime::MIN } };
        let newest = self.messages.read(|messages| async move {
            messages
                .find_one(filter)
                .sort(doc! { "created_ts": -1, "_id": -1 })
                .projection(doc! { "_id": 0, "created_ts": 1 })
                .hint(Hint::Name(indexes::MESSAGE_LIST.to_owned()))
                .max_time(ANSWER_TIMEOUT)
                .await
        });
        let newest = newest
            .await?
            .and_then(|newest| Fields::of(&newest).date("created_ts"));
        Ok(newest.map_or(no_moment(), bounded))
    }

    /// Puts a chat back where it was in its owner's list: what moved it up was not stored after all. A chat that was
    /// written in or changed meanwhile stays where it is.
    pub(super) async fn put_back(&self, moments: &Moments) -> Result<(), StoreError> {
        if !moments.moved_chat_up {
            return Ok(());
        }
        let filter = doc! {
            "_id": stored_id(moments.chat.id.0),
            LAST: stored_date(moments.last),
            "updated_at": stored_date(moments.chat.updated_at),
        };
        let before = doc! { "$ifNull": ["$moments.chat_updated_at", "$$REMOVE"] };
        let update = vec![doc! { "$set": { "updated_at": before } }];
        let put_back = self
            .chats
            .write(|chats| async move { chats.update_one(filter, update).await });
        put_back.await.map(drop)
    }

    /// Before a message is stored at a moment of its own: has later moments of its chat be after it, where the chat gives
    /// any, and sets an old one aside from the kept counts.
    pub(super) async fn note_insert(&self, message: &Message) -> Result<(), StoreError> {
        let (chat, at) = (stored_id(message.chat_id.0), bounded(message.created_at));
        let is_later = doc! { LAST: { "$lt": at } };
        let is_old = doc! { "$expr": is_old(message.created_at) };
        let filter = doc! { "_id": chat, "$or": [is_later, is_old] };
        let last = format!("${LAST}");
        let is_behind = doc! { "$and": [{ "$eq": [{ "$type": &last }, "date"] }, { "$lt": [&last, at] }] };
        let moments = format!("${MOMENTS}");
        let moved_on = doc! { "$mergeObjects": [&moments, { "last": at }] };
        let update = vec![doc! { "$set": {
            MOMENTS: { "$cond": [is_behind, moved_on, moments] },
            COUNTS: before_insert(message),
        } }];
        let noted = self
            .chats
            .write(|chats| async move { chats.update_one(filter, update).await });
        noted.await.map(drop)
    }
}

/// The field of a chat that is new and has no messages.
pub(super) fn of_new_chat() -> Document {
    doc! { "last": no_moment() }
}

/// Whether the chat is gone for which messages were stored just now; if so, they are removed again.
pub(super) async fn undo_if_gone(
    chats: &Collection<RawDocumentBuf>,
    messages: &Collection<RawDocumentBuf>,
    chat: ChatId,
    ids: Vec<mongodb::bson::oid::ObjectId>,
) -> DriverResult<bool> {
    let chat = stored_id(chat.0);
    let lives = chats.find_one(doc! { "_id": chat }).projection(doc! { "_id": 1 });
    if lives.max_time(ANSWER_TIMEOUT).await?.is_some() {
        return Ok(false);
    }
    let stored = doc! { "chat_id": chat, "_id": { "$in": ids } };
    messages.delete_many(stored).await?;
    Ok(true)
}

/// Earlier than every message that is written here. Other programs read it, so it is one that all can.
fn no_moment() -> DateTime {
    DateTime::from_millis(0)
}

fn bounded(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.millis().clamp(0, MILLIS_MAX))
}
