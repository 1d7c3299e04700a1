//! The indexes: the documented ones under their documented names, and ours.

use std::time::Duration;

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

use super::bills::{DUE, ENTERED_AT, KEPT_FOR};
use super::inspect::{BILLS, DELETIONS, LEDGER, REVOCATIONS};
use super::reply_document::SLOT;
use crate::store::REVOCATIONS_KEPT_FOR;

/// The index that a user's list of chats is read from.
pub(super) const CHAT_LIST: &str = "user_id_1_updated_at_-1__id_-1";
/// The index that a user's chats are read from by number, and counted in.
pub(super) const CHAT_ORDER: &str = "user_id_1_created_at_-1__id_1";
/// The index that a chat's list of messages is read from.
pub(super) const MESSAGE_LIST: &str = "chat_id_1_created_ts_1__id_1";
/// The documented index that messages are counted in.
pub(super) const MESSAGE_COUNT: &str = "chat_id_1";
/// The index that messages behind a moment are counted in, and their tokens summed.
pub(super) const COUNTS: &str = "chat_id_1_created_ts_1_token_1";
/// The index of streaming replies by the end of their lease.
pub(super) const REPLY_LEASE: &str = "streaming_by_lease";
/// The index of streaming replies by chat.
pub(super) const REPLY_CHAT: &str = "streaming_by_chat";

/// The index that keeps two replies of a chat from having one slot.
pub(super) const REPLY_SLOT: &str = "streaming_by_slot";

/// The index of deletions by when they are looked at next.
pub(super) const DELETION_LOOKS: &str = "next_look_at_1";

/// The index of a user's rows of the ledger.
pub(super) const LEDGER_ROWS: &str = "user_1_day_1";

/// The index of the bills that are due.
pub(super) const BILLS_DUE: &str = "due_by_user";
/// The index that lets go of bills that were entered long ago.
const BILLS_ENTERED: &str = "entered_at_1";

/// The index of the messages' words.
pub(super) const WORDS: &str = "message_text";

/// The index of revocations by their moment, which lets go of the old.
const REVOCATIONS_EXPIRE: &str = "revoked_at_1";
/// The index that revocations are read from.
pub(super) const REVOCATION_ORDER: &str = "revoked_at_1__id_1";

/// The names of the documented ones.
pub(super) const DOCUMENTED: [&str; 7] = [
    "user_id_1",
    "document_id_1",
    "status_1",
    "created_at_1",
    MESSAGE_COUNT,
    "is_bot_1",
    "created_ts_1",
];

/// The field of a message that would name its language to the text index: one that no message has. Left to itself the
/// server looks at `language`, and refuses documents in which somebody wrote something there that it does not know.
const LANGUAGE_FIELD: &str = "message_text_language";

/// The indexes of `chats`.
pub(super) fn of_chats() -> Vec<IndexModel> {
    vec![
        named("user_id_1", doc! { "user_id": 1 }),
        named("document_id_1", doc! { "document_id": 1 }),
        named("status_1", doc! { "status": 1 }),
        named("created_at_1", doc! { "created_at": 1 }),
        named(CHAT_LIST, doc! { "user_id": 1, "updated_at": -1, "_id": -1 }),
        named(CHAT_ORDER, doc! { "user_id": 1, "created_at": -1, "_id": 1 }),
    ]
}

/// The indexes of `chat_messages`.
pub(super) fn of_messages() -> Vec<IndexModel> {
    let is_streaming = doc! { "reply.state": "STREAMING" };
    let has_key = doc! { "client_key": { "$type": "string" } };
    vec![
        named(MESSAGE_COUNT, doc! { "chat_id": 1 }),
        named("is_bot_1", doc! { "is_bot": 1 }),
        named("created_ts_1", doc! { "created_ts": 1 }),
        named(MESSAGE_LIST, doc! { "chat_id": 1, "created_ts": 1, "_id": 1 }),
        named(COUNTS, doc! { "chat_id": 1, "created_ts": 1, "token": 1 }),
        partial(
            "client_key_of_chat",
            doc! { "chat_id": 1, "client_key": 1 },
            has_key,
            true,
        ),
        partial(
            REPLY_LEASE,
            doc! { "reply.lease_until": 1 },
            is_streaming.clone(),
            false,
        ),
        words(),
        // It begins with the state because it needs another key than the list of messages, of which it is a part.
        partial(
            REPLY_CHAT,
            doc! { "reply.state": 1, "chat_id": 1, "created_ts": 1, "_id": 1 },
            is_streaming,
            false,
        ),
        partial(
            REPLY_SLOT,
            doc! { "chat_id": 1, SLOT: 1 },
            doc! { "reply.state": "STREAMING", SLOT: { "$exists": true } },
            true,
        ),
    ]
}

/// The indexes of the collections that are ours alone.
pub(super) fn of_ours() -> [(&'static str, Vec<IndexModel>); 4] {
    [
        (DELETIONS, of_deletions()),
        (REVOCATIONS, of_revocations()),
        (LEDGER, of_ledger()),
        (BILLS, of_bills()),
    ]
}

/// The indexes of `chat_deletions`.
fn of_deletions() -> Vec<IndexModel> {
    vec![named(DELETION_LOOKS, doc! { "next_look_at": 1 })]
}

/// The indexes of `usage_ledger`.
fn of_ledger() -> Vec<IndexModel> {
    vec![named(LEDGER_ROWS, doc! { "user": 1, "day": 1 })]
}

/// The indexes of `usage_bills`.
fn of_bills() -> Vec<IndexModel> {
    let (keys, due) = (doc! { "user": 1, "row": 1 }, doc! { DUE: true });
    vec![
        partial(BILLS_DUE, keys, due, false),
        expiring(BILLS_ENTERED, doc! { ENTERED_AT: 1 }, KEPT_FOR),
    ]
}

/// The indexes of `revocations`.
fn of_revocations() -> Vec<IndexModel> {
    vec![
        expiring(REVOCATIONS_EXPIRE, doc! { "revoked_at": 1 }, REVOCATIONS_KEPT_FOR),
        named(REVOCATION_ORDER, doc! { "revoked_at": 1, "_id": 1 }),
    ]
}

/// An index by a moment, which also removes what is older.
fn expiring(name: &str, keys: Document, after: Duration) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).expire_after(after);
    IndexModel::builder().keys(keys).options(options.build()).build()
}

fn named(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder()
        .keys(keys)
        .options(IndexOptions::builder().name(name.to_owned()).build())
        .build()
}

/// The index of the messages' words. No language, as of any language the server would leave out the small words and cut
/// off endings; chats write in several. The chat is in it so that words in other people's chats cost a key each, and no
/// document.
fn words() -> IndexModel {
    let options = IndexOptions::builder()
        .name(WORDS.to_owned())
        .default_language("none".to_owned())
        .language_override(LANGUAGE_FIELD.to_owned());
    IndexModel::builder()
        .keys(doc! { "message": "text", "chat_id": 1 })
        .options(options.build())
        .build()
}

fn partial(name: &str, keys: Document, only: Document, is_unique: bool) -> IndexModel {
    let options = IndexOptions::builder()
        .name(name.to_owned())
        .partial_filter_expression(only);
    // Left out rather than false: an index is compared with the existing one as it was given.
    let options = options.unique(is_unique.then_some(true));
    IndexModel::builder().keys(keys).options(options.build()).build()
}
