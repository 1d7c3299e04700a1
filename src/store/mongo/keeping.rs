//! Moving the kept counts of chats on, behind the back of whoever asked for them.
//!
//! They are written by compare-and-set on their version, which is read before anything is counted: whatever was set aside
//! or dropped since then wins.

use std::collections::HashMap;

use mongodb::bson::{DateTime, Document, RawDocumentBuf, doc};

use super::bulk::update_all;
use super::counts::{Aside, COUNTS, Found, Kept, Measure, SETTLED_AFTER, any, sum};
use super::fields::{Fields, stored_date, stored_id};
use super::messages::within;
use super::{MongoStore, indexes, lists};
use crate::domain::{ChatId, ReplyState, Timestamp, whole_millis};
use crate::store::StoreError;
use crate::telemetry::causes::causes;

/// Messages that the kept counts are moved on by at once: so many keys are read in a part of a command's time.
const PIECE: u64 = 500_000;

/// How far the counts of a chat can be moved on.
struct Step {
    chat: ChatId,
    kept: Kept,
    /// Up to and including this moment.
    until: Timestamp,
}

/// The moment of a chat's first streaming reply.
#[derive(Clone, Copy, Default)]
enum FirstStreaming {
    /// No reply streams.
    #[default]
    None,
    At(Timestamp),
    /// A reply streams whose moment is not a date.
    Undated,
}

/// What was kept of the counts of some chats.
#[derive(Clone, Copy, Default)]
pub(super) struct Keeping {
    /// Chats whose counts were written.
    pub(super) written: usize,
    /// Whether some of them can be moved on further at once.
    pub(super) has_more: bool,
}

impl MongoStore {
    /// Moves the kept counts of these chats on, as they were read at the moment `now`, unless this store is at it
    /// already: then whoever reads next does.
    pub(super) fn keep_soon(&self, now: Timestamp, chats: Vec<(ChatId, Kept)>) {
        let Ok(turn) = self.keeping.clone().try_acquire_owned() else {
            return;
        };
        let store = self.clone();
        tokio::spawn(async move {
            if let Err(error) = store.keep(now, chats).await {
                tracing::debug!(error = %causes(&error), "the counts of a chat could not be kept");
            }
            drop(turn);
        });
    }

    /// Moves the kept counts of these chats on, as they were read at the moment `now`. Three or four commands.
    pub(super) async fn keep(
        &self,
        now: Timestamp,
        chats: Vec<(ChatId, Kept)>,
    ) -> Result<Keeping, StoreError> {
        let ids: Vec<_> = chats.iter().map(|(chat, _)| *chat).collect();
        // Before anything is counted: a reply that does not stream now has ended.
        let streaming = self.first_streaming(&ids).await?;
        let steps = chats.into_iter().filter_map(|(chat, kept)| {
            let streaming = streaming.get(&chat).copied().unwrap_or_default();
            Step::of(chat, kept, now, streaming)
        });
        let mut steps: Vec<_> = steps.collect();
        let Some(last) = steps.last_mut() else {
            return Ok(Keeping::default());
        };
        // Each of several chats is as long as what somebody could count at once.
        let has_more = ids.len() == 1 && self.shorten(last).await?;
        let ids: Vec<_> = steps.iter().map(|step| step.chat).collect();
        let mut pipeline = vec![doc! { "$match": any(steps.iter().map(Step::filter).collect()) }];
        let aside = steps.iter().flat_map(|step| step.settled_aside(now));
        pipeline.extend(self.by_id(&ids, aside.map(|aside| aside.id).collect()));
        pipeline.extend(sum(Measure::Tokens, None));
        let rows = lists::aggregate(&self.messages, pipeline, steps.len(), indexes::COUNTS).await?;
        let found: HashMap<_, _> = rows.iter().filter_map(|row| Found::read(row)).collect();
        let statements = steps
            .iter()
            .map(|step| step.statement(now, found.get(&step.chat).copied().unwrap_or_default()));
        let written = update_all(&self.chats, statements.collect()).await?.found;
        Ok(Keeping { written, has_more })
    }

    /// The moment of the first streaming reply of each chat that has one.
    async fn first_streaming(&self, chats: &[ChatId]) -> Result<HashMap<ChatId, FirstStreaming>, StoreError> {
        let mut filter = doc! { "reply.state": ReplyState::Streaming.name() };
        filter.extend(within(chats));
        let pipeline = vec![
            doc! { "$match": filter },
            doc! { "$group": { "_id": "$chat_id", "first": { "$min": "$created_ts" } } },
        ];
        let rows = lists::aggregate(&self.messages, pipeline, chats.len(), indexes::REPLY_CHAT).await?;
        let first = |row: &RawDocumentBuf| {
            let row = Fields::of(row);
            let first = row.date("first");
            Some((
                ChatId(row.id("_id")?),
                first.map_or(FirstStreaming::Undated, FirstStreaming::At),
            ))
        };
        Ok(rows.iter().filter_map(first).collect())
    }

    /// Shortens a step to about [`PIECE`] messages; whether it was longer.
    async fn shorten(&self, step: &mut Step) -> Result<bool, StoreError> {
        let mut filter = step.filter();
        // Those without a date come first in the index, and with the first piece.
        let since = step.kept.sums.as_ref().map(|sums| stored_date(sums.until));
        let since = since.unwrap_or(DateTime::MIN);
        filter.insert(
            "created_ts",
            doc! { "$gt": since, "$lte": stored_date(step.until) },
        );
        let list = lists::List {
            filter,
            sort: doc! { "created_ts": 1 },
            skip: PIECE,
            limit: 1,
            index: indexes::COUNTS,
        };
        let last = lists::read(&self.messages, list).await?;
        let last = last.first().and_then(|last| Fields::of(last).date("created_ts"));
        if let Some(last) = last.filter(|last| *last < step.until) {
            step.until = last;
            return Ok(true);
        }
        Ok(false)
    }
}

impl Step {
    /// `None` if nothing can be kept that is not kept yet.
    fn of(chat: ChatId, kept: Kept, now: Timestamp, streaming: FirstStreaming) -> Option<Self> {
        if !kept.is_open(now) {
            return None;
        }
        let mut until = now.plus_millis(-whole_millis(SETTLED_AFTER));
        match streaming {
            FirstStreaming::None => {}
            FirstStreaming::At(first) => until = until.min(first.plus_millis(-1)),
            FirstStreaming::Undated => return None,
        }
        if let Some(sums) = &kept.sums {
            let changing = sums.aside.iter().filter(|aside| aside.may_change(now));
            let ahead = changing.filter(|aside| !aside.is_up_to(sums.until));
            let first = ahead.filter_map(|aside| aside.created_at).min();
            until = first.map_or(until, |first| until.min(first.plus_millis(-1)));
            if until <= sums.until {
                return None;
            }
        }
        Some(Self { chat, kept, until })
    }

    /// The messages that come into the kept counts.
    fn filter(&self) -> Document {
        let until = stored_date(self.until);
        let created = match &self.kept.sums {
            Some(sums) => doc! { "$gt": stored_date(sums.until), "$lte": until },
            // Those without a date as well: they are never after a moment.
            None => doc! { "$not": { "$gt": until } },
        };
        doc! { "chat_id": stored_id(self.chat.0), "created_ts": created }
    }

    /// The messages set aside that come into the kept counts again, of those that they had come to.
    fn settled_aside(&self, now: Timestamp) -> impl Iterator<Item = &Aside> {
        let sums = self.kept.sums.iter();
        let aside = sums.flat_map(|sums| sums.aside.iter().filter(|aside| aside.is_up_to(sums.until)));
        aside.filter(move |aside| !aside.may_change(now))
    }

    /// The update of the chat.
    fn statement(&self, now: Timestamp, found: Found) -> Document {
        let mut filter = doc! { "_id": stored_id(self.chat.0) };
        match self.kept.version {
            Some(version) => filter.insert("counts.version", version),
            None => filter.insert(COUNTS, doc! { "$exists": false }),
        };
        let sums = self.kept.sums.as_ref();
        let before = sums.map_or((0, 0), |sums| (sums.messages, sums.tokens));
        let aside = sums.into_iter().flat_map(|sums| &sums.aside);
        let aside = aside.filter(|aside| aside.may_change(now)).map(Aside::encode);
        let counts = doc! {
            "version": self.kept.version.unwrap_or_default().wrapping_add(1),
            "until": stored_date(self.until),
            "messages": before.0.saturating_add(found.messages),
            "tokens": before.1.saturating_add(found.tokens),
            "aside": aside.collect::<Vec<_>>(),
        };
        doc! { "q": filter, "u": { "$set": { COUNTS: counts } } }
    }
}
