//! A look at a chat for one of its replies, by one command: the replies under way, and the history. The answer is read no
//! further than the history's bounds.

use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::Hint;

use super::document::{read_list, read_message};
use super::fields::{Fields, stored_id};
use super::keyset::BY_CREATION;
use super::lists::{List, stages};
use super::operation::ANSWER_TIMEOUT;
use super::replies::active_list;
use super::reply_document::{goes_first, slot};
use super::turns::Active;
use super::{MongoStore, indexes, inspect};
use crate::domain::{ChatId, Message, Position, Timestamp};
use crate::store::{HistoryBounds, StoreError};

/// The field that says which part of the answer a document is.
const PART: &str = "part";
const ACTIVE: &str = "active";
const CHAT: &str = "chat";
const HISTORY: &str = "history";

/// Documents of one batch: as many as most histories have, or as the bytes of most allow.
const BATCH_SIZE: u32 = 32;

/// The moment of the look, in each of the documents of [`ACTIVE`].
const AT: &str = "at";

/// What was seen of a chat.
pub(super) struct Look {
    /// When, by the clock of the store.
    pub(super) at: Timestamp,
    /// The replies under way, in no order.
    pub(super) active: Vec<Active>,
    /// The latest messages up to a place and including it, in the chat's order.
    pub(super) history: Vec<Message>,
}

/// The parts of the answer.
#[derive(Default)]
struct Parts {
    active: Vec<RawDocumentBuf>,
    has_chat: bool,
    history: Vec<RawDocumentBuf>,
}

impl MongoStore {
    /// Looks at a chat, with the history up to `until`; `None` if it is gone, or if no reply is under way in it.
    pub(super) async fn look(
        &self,
        chat: ChatId,
        until: Position,
        bounds: HistoryBounds,
    ) -> Result<Option<Look>, StoreError> {
        let scope = doc! { "chat_id": stored_id(chat.0) };
        let edges = BY_CREATION.up_to(&self.messages, &scope, until).await?;
        let history = BY_CREATION
            .filter(&scope, &edges)
            .ok_or_else(|| StoreError::Failed("a history without a range".into()))?;
        let pipeline = self.pipeline(chat, history, bounds.messages_max);
        let read = self.messages.read(|messages| async move {
            let aggregate = messages.aggregate(pipeline).with_type::<RawDocumentBuf>();
            let mut cursor = aggregate
                .hint(Hint::Name(indexes::REPLY_CHAT.to_owned()))
                .batch_size(BATCH_SIZE)
                .max_time(ANSWER_TIMEOUT)
                .await?;
            let (mut parts, mut bytes) = (Parts::default(), 0_usize);
            while bytes < bounds.bytes_max.max(1) && cursor.advance().await? {
                let document = cursor.current().to_owned();
                let part = Fields::of(&document).text(PART).map(str::to_owned);
                match part.as_deref() {
                    Some(ACTIVE) => parts.active.push(document),
                    Some(CHAT) => parts.has_chat = true,
                    _ => {
                        bytes = bytes.saturating_add(text_bytes(&document));
                        parts.history.push(document);
                    }
                }
            }
            Ok(parts)
        });
        let parts = read.await?;
        let at = parts.active.first().and_then(|reply| Fields::of(reply).date(AT));
        let Some(at) = at.filter(|_| parts.has_chat) else {
            return Ok(None);
        };
        let mut history = read_list(parts.history, read_message);
        history.reverse();
        Ok(Some(Look {
            at,
            active: read_list(parts.active, read_active),
            history,
        }))
    }

    /// The replies under way, then whether the chat lives, then the history from its latest message, in this order.
    fn pipeline(&self, chat: ChatId, history: Document, messages_max: usize) -> Vec<Document> {
        let id = stored_id(chat.0);
        let history = List {
            filter: history,
            sort: doc! { "created_ts": -1, "_id": -1 },
            skip: 0,
            limit: messages_max.max(1),
            index: indexes::MESSAGE_LIST,
        };
        let chat = vec![
            doc! { "$match": { "_id": id } },
            doc! { "$project": { "_id": 1, PART: CHAT } },
        ];
        let mut pipeline = stages(active_list(id));
        pipeline.push(doc! { "$set": { PART: ACTIVE, AT: "$$NOW" } });
        pipeline.push(doc! { "$unionWith": { "coll": inspect::CHATS, "pipeline": chat } });
        let mut rest = stages(history);
        rest.push(doc! { "$set": { PART: HISTORY } });
        pipeline.push(doc! { "$unionWith": { "coll": inspect::MESSAGES, "pipeline": rest } });
        pipeline
    }
}

fn read_active(document: &RawDocument) -> Option<Active> {
    Some(Active {
        message: read_message(document)?,
        slot: slot(document),
        goes_first: goes_first(document),
    })
}

/// How long the text of a message is.
fn text_bytes(document: &RawDocumentBuf) -> usize {
    let fields = Fields::of(document);
    let growing = fields.nested("reply").and_then(|reply| reply.text("text"));
    let text = growing.or_else(|| fields.text("message"));
    text.map_or(0, str::len)
}
