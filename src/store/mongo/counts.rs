//! What the messages of a chat come to, in a time that does not grow with the chat.
//!
//! The document of a long chat keeps what its messages up to a moment come to (`counts`). Whoever asks adds what comes
//! after that moment, from the keys of an index. Writing a message changes nothing here, so it costs no command more. The
//! kept counts are moved on by those who read them (`keeping.rs`). What changes a message that may be in them first sets
//! it aside (`aside.rs`): from then on the kept counts are without it, and it is counted by its id. So they are exact
//! after a crash between any two commands, and nothing has to be counted again.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc, oid};

use super::fields::{Fields, stored_date, stored_id};
use super::lists::{self, batch_size};
use super::messages::within;
use super::operation::ANSWER_TIMEOUT;
use super::{MongoStore, indexes};
use crate::domain::{ChatId, Timestamp, whole_millis};
use crate::store::StoreError;

/// The field of a chat.
pub(super) const COUNTS: &str = "counts";

/// How long a command may be under way at most, from the decision to send it until the server carries it out. One that
/// took longer drops the kept counts behind itself.
pub(super) const UNDER_WAY_MAX: Duration = Duration::from_secs(300);

/// How old the newest message is that may come into the kept counts: so old that no command is under way that
/// stores an older one, or that changes one without setting it aside.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(600);

/// More messages than this behind the kept counts, and they are moved on.
pub(super) const BEHIND_MAX: i64 = 100;

/// More messages than this set aside that could be counted again, and the kept counts are moved on.
const ASIDE_SETTLED_MAX: usize = 50;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Messages,
    /// Messages, and their tokens.
    Tokens,
}

/// What the document of a chat says of its counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Changes with each change; `None` if nothing was ever kept or changed.
    pub(super) version: Option<i64>,
    pub(super) sums: Option<Sums>,
    /// Before this moment no counts are to be kept.
    pub(super) not_before: Option<Timestamp>,
}

/// What the messages up to a moment come to, without those set aside.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub(super) until: Timestamp,
    pub(super) messages: i64,
    pub(super) tokens: i64,
    pub(super) aside: Vec<Aside>,
}

/// A message that is not in the kept counts, whatever its moment.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    pub(super) id: oid::ObjectId,
    /// Its moment. One without comes before all others.
    pub(super) created_at: Option<Timestamp>,
    /// When it was set aside.
    pub(super) at: Timestamp,
}

impl Aside {
    /// Whether the change that it was set aside for may be under way at the moment `now`.
    pub(super) fn may_change(&self, now: Timestamp) -> bool {
        self.at > now.plus_millis(-whole_millis(UNDER_WAY_MAX))
    }

    /// Whether its moment is one of those that the kept counts have come to.
    pub(super) fn is_up_to(&self, until: Timestamp) -> bool {
        self.created_at.is_none_or(|at| at <= until)
    }

    fn read(fields: &Fields<'_>) -> Option<Self> {
        Some(Self {
            id: stored_id(fields.id("_id")?),
            created_at: fields.date("created_ts"),
            at: fields.date("at")?,
        })
    }

    pub(super) fn encode(&self) -> Document {
        let mut document = doc! { "_id": self.id };
        if let Some(at) = self.created_at {
            document.insert("created_ts", stored_date(at));
        }
        document.insert("at", stored_date(self.at));
        document
    }
}

impl Kept {
    pub(super) fn read(chat: &Fields<'_>) -> Self {
        let Some(counts) = chat.nested(COUNTS) else {
            return Self::default();
        };
        let sums = counts.date("until").and_then(|until| {
            Some(Sums {
                until,
                messages: counts.integer("messages")?,
                tokens: counts.integer("tokens")?,
                aside: counts.documents("aside").iter().filter_map(Aside::read).collect(),
            })
        });
        Self {
            version: counts.integer("version"),
            sums,
            not_before: counts.date("not_before"),
        }
    }

    /// Whether any may be kept.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// Whether it is time to move them on, if so many messages behind them are settled.
    fn is_due(&self, now: Timestamp, settled: i64) -> bool {
        let aside = self.sums.iter().flat_map(|sums| &sums.aside);
        let aside = aside.filter(|aside| !aside.may_change(now)).count();
        self.is_open(now) && (settled > BEHIND_MAX || aside > ASIDE_SETTLED_MAX)
    }
}

/// What was read of several chats in one command.
struct Chats {
    /// The moment of the store's clock; `None` if there is none of the chats.
    now: Option<Timestamp>,
    kept: HashMap<ChatId, Kept>,
}

/// What an aggregation found of a chat.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) messages: i64,
    pub(super) tokens: i64,
    /// Messages up to the moment that was asked about.
    settled: i64,
}

impl Found {
    pub(super) fn read(row: &RawDocument) -> Option<(ChatId, Self)> {
        let row = Fields::of(row);
        let found = Self {
            messages: row.sum("messages").unwrap_or_default(),
            tokens: row.sum("tokens").unwrap_or_default(),
            settled: row.sum("settled").unwrap_or_default(),
        };
        Some((ChatId(row.id("_id")?), found))
    }

    /// With what is kept of the messages before.
    fn with(self, sums: Option<&Sums>) -> Self {
        let Some(sums) = sums else {
            return self;
        };
        Self {
            messages: self.messages.saturating_add(sums.messages),
            tokens: self.tokens.saturating_add(sums.tokens),
            settled: self.settled,
        }
    }
}

impl MongoStore {
    /// What the messages of each chat come to. Two commands.
    pub(super) async fn count_kept(
        &self,
        chats: &[ChatId],
        measure: Measure,
    ) -> Result<HashMap<ChatId, Found>, StoreError> {
        if chats.is_empty() {
            return Ok(HashMap::new());
        }
        let Chats { now, mut kept } = self.kept_counts(chats).await?;
        let branches = chats
            .iter()
            .map(|chat| behind(*chat, kept.get(chat).and_then(|kept| kept.sums.as_ref())));
        let mut pipeline = vec![doc! { "$match": any(branches.collect()) }];
        let aside = kept.values().filter_map(|kept| kept.sums.as_ref());
        let aside = aside.flat_map(|sums| sums.aside.iter().filter(|aside| aside.is_up_to(sums.until)));
        pipeline.extend(self.by_id(chats, aside.map(|aside| aside.id).collect()));
        let settled = now.map(|now| now.plus_millis(-whole_millis(SETTLED_AFTER)));
        pipeline.extend(sum(measure, settled));
        let rows = lists::aggregate(&self.messages, pipeline, chats.len(), indexes::COUNTS).await?;
        let found: HashMap<_, _> = rows.iter().filter_map(|row| Found::read(row)).collect();

        let mut counts = HashMap::new();
        let mut due = Vec::new();
        for chat in chats {
            let (found, kept) = (found.get(chat).copied(), kept.remove(chat));
            let sums = kept.as_ref().and_then(|kept| kept.sums.as_ref());
            if found.is_some() || sums.is_some() {
                counts.insert(*chat, found.unwrap_or_default().with(sums));
            }
            if let (Some(kept), Some(now), Some(found)) = (kept, now, found)
                && kept.is_due(now, found.settled)
            {
                due.push((*chat, kept));
            }
        }
        if let Some(now) = now
            && !due.is_empty()
        {
            self.keep_soon(now, due);
        }
        Ok(counts)
    }

    /// What the messages of each chat come to, all of them counted.
    pub(super) async fn count_live(
        &self,
        chats: &[ChatId],
        measure: Measure,
    ) -> Result<HashMap<ChatId, Found>, StoreError> {
        if chats.is_empty() {
            return Ok(HashMap::new());
        }
        let index = match measure {
            Measure::Messages => indexes::MESSAGE_COUNT,
            Measure::Tokens => indexes::COUNTS,
        };
        let mut pipeline = vec![doc! { "$match": within(chats) }];
        pipeline.extend(sum(measure, None));
        let rows = lists::aggregate(&self.messages, pipeline, chats.len(), index).await?;
        Ok(rows.iter().filter_map(|row| Found::read(row)).collect())
    }

    /// What the document of a chat says of its counts, and the moment of the store's clock.
    pub(super) async fn kept_counts_of(&self, chat: ChatId) -> Result<Option<(Timestamp, Kept)>, StoreError> {
        let Chats { now, mut kept } = self.kept_counts(&[chat]).await?;
        Ok(now.zip(kept.remove(&chat)))
    }

    async fn kept_counts(&self, chats: &[ChatId]) -> Result<Chats, StoreError> {
        let ids: Vec<_> = chats.iter().map(|chat| stored_id(chat.0)).collect();
        let all = batch_size(ids.len());
        let read = self.chats.read(|chats| async move {
            let find = chats
                .find(doc! { "_id": { "$in": ids } })
                .projection(doc! { COUNTS: 1, "now": "$$NOW" });
            let found = find.batch_size(all).max_time(ANSWER_TIMEOUT).await?;
            found.try_collect::<Vec<RawDocumentBuf>>().await
        });
        let read = read.await?;
        let mut now = None;
        let kept = read.iter().filter_map(|chat| {
            let fields = Fields::of(chat);
            now = fields.date("now");
            Some((ChatId(fields.id("_id")?), Kept::read(&fields)))
        });
        let kept = kept.collect();
        Ok(Chats { now, kept })
    }

    /// What adds messages by their ids to a pipeline over others.
    pub(super) fn by_id(&self, chats: &[ChatId], ids: Vec<oid::ObjectId>) -> Option<Document> {
        if ids.is_empty() {
            return None;
        }
        let mut filter = within(chats);
        filter.insert("_id", doc! { "$in": ids });
        // Without their moments, they are not taken for messages behind the kept counts.
        let pipeline = [
            doc! { "$match": filter },
            doc! { "$project": { "chat_id": 1, "token": 1 } },
        ];
        let messages = self.messages.bare.name();
        Some(doc! { "$unionWith": { "coll": messages, "pipeline": pipeline.to_vec() } })
    }
}

/// The messages of a chat behind its kept counts: all, if none are kept.
fn behind(chat: ChatId, sums: Option<&Sums>) -> Document {
    let mut filter = doc! { "chat_id": stored_id(chat.0) };
    if let Some(sums) = sums {
        filter.insert("created_ts", doc! { "$gt": stored_date(sums.until) });
    }
    filter
}

/// What any of these filters finds.
pub(super) fn any(mut filters: Vec<Document>) -> Document {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        last => {
            filters.extend(last);
            doc! { "$or": filters }
        }
    }
}

/// What sums the messages of each chat, and, of those with a date, how many are not after `settled`.
pub(super) fn sum(measure: Measure, settled: Option<Timestamp>) -> Vec<Document> {
    let mut of_each = doc! { "_id": "$chat_id", "messages": { "$sum": 1 } };
    if let Some(settled) = settled {
        let is_date = doc! { "$eq": [{ "$type": "$created_ts" }, "date"] };
        let is_before = doc! { "$lte": ["$created_ts", stored_date(settled)] };
        let is_settled = doc! { "$cond": [{ "$and": [is_date, is_before] }, 1, 0] };
        of_each.insert("settled", doc! { "$sum": is_settled });
    }
    if measure == Measure::Messages {
        return vec![doc! { "$group": of_each }];
    }
    // To convert each of a chat's few different numbers once takes a fifth of the time that converting every message's
    // takes.
    of_each.insert("_id", doc! { "chat": "$chat_id", "token": "$token" });
    let tokens = doc! { "$multiply": [tokens("$_id.token"), "$messages"] };
    let mut of_chat = doc! {
        "_id": "$_id.chat",
        "messages": { "$sum": "$messages" },
        "tokens": { "$sum": tokens },
    };
    if settled.is_some() {
        of_chat.insert("settled", doc! { "$sum": "$settled" });
    }
    vec![doc! { "$group": of_each }, doc! { "$group": of_chat }]
}

/// The number in a field of tokens. Late documented systems stored digits; what is no number counts nothing.
pub(super) fn tokens(field: &str) -> Document {
    doc! { "$convert": { "input": field, "to": "long", "onError": 0_i64, "onNull": 0_i64 } }
}
