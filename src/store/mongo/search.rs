//! Searching.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, oid};
use mongodb::options::{Collation, CollationStrength};
use tokio::time::Instant;

use super::MongoStore;
use super::calls::Documents;
use super::document::{read_list, read_message};
use super::fields::{Fields, stored_id};
use super::keyset::{Keyset, is_id};
use super::lists::batch_size;
use super::operation::ANSWER_TIMEOUT;
use crate::domain::{Message, ObjectId, Page, PageRequest, SearchScope, SearchWords, Timestamp};
use crate::store::{SearchStore, StoreError};

const NEWEST_FIRST: Keyset = Keyset {
    time: "created_ts",
    is_descending: true,
};

/// What words are made of, as the server's regular expressions put it. Of the marks only those that do not surround
/// what they mark.
const OF_WORDS: &str = r"[\p{L}\p{N}\p{Co}\p{Mn}\p{Mc}_]";

/// The longest text that is cut into words, in bytes: past some megabytes the server fails the whole search.
const CUT_BYTES_MAX: i32 = 1 << 18;

/// Chats of one command: their ids are sent with it, a few hundred kilobytes at most. Of a user who has more, several
/// commands look for the page, all within the time of one.
const CHATS_MAX: usize = 10_000;

/// The least time that is worth asking for.
const TIME_MIN: Duration = Duration::from_millis(10);

#[async_trait]
impl SearchStore for MongoStore {
    async fn search_messages(
        &self,
        scope: &SearchScope,
        words: &SearchWords,
        request: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let chats = match scope {
            SearchScope::Chat(chat) => vec![stored_id(chat.0)],
            SearchScope::User(user) => self.chat_ids(user).await?,
        };
        let within = doc! { "chat_id": { "$in": &chats } };
        let edges = NEWEST_FIRST.edges(&self.messages, &within, request).await?;
        let Some(within) = NEWEST_FIRST.bounds(&edges) else {
            return Ok(Page::empty());
        };
        let search = Search {
            filter: filter(words, within),
            sort: NEWEST_FIRST.sort(request),
            size: request.size.saturating_add(1),
        };
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut found = Vec::new();
        for chats in chats.chunks(CHATS_MAX) {
            found.extend(search.within(&self.messages, chats, deadline).await?);
        }
        if chats.len() > CHATS_MAX {
            found.sort_by_cached_key(place);
            if !request.backward {
                found.reverse();
            }
            found.truncate(search.size);
        }
        // As in a list, the page is cut before its documents are read.
        let page = Page::from_read(found, request);
        Ok(Page {
            items: read_list(page.items, read_message),
            has_more: page.has_more,
        })
    }
}

/// What is asked for, in whichever chats.
struct Search {
    filter: Document,
    sort: Document,
    size: usize,
}

impl Search {
    /// The first messages of these chats.
    async fn within(
        &self,
        messages: &Documents,
        chats: &[oid::ObjectId],
        deadline: Instant,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left < TIME_MIN {
            return Err(StoreError::Unavailable(
                "a search of many chats took too long".into(),
            ));
        }
        let (mut filter, sort, size) = (self.filter.clone(), self.sort.clone(), self.size);
        filter.insert("chat_id", doc! { "$in": chats });
        let found = messages.read(|messages| async move {
            // The index ignores case and accents. So must the comparison of whole words, and it still tells apart
            // Hindi words that differ in a sign.
            let alike = Collation::builder()
                .locale("en")
                .strength(CollationStrength::Primary);
            let find = messages.find(filter).sort(sort).collation(alike.build());
            find.limit(i64::try_from(size).unwrap_or(i64::MAX))
                .batch_size(batch_size(size))
                .max_time(left)
                .await?
                .try_collect()
                .await
        });
        found.await
    }
}

/// Where a message stands among those of other chats, as the server orders them: what has no date stands first.
fn place(message: &RawDocumentBuf) -> (Option<Timestamp>, Option<ObjectId>) {
    let fields = Fields::of(message);
    (fields.date("created_ts"), fields.id("_id"))
}

fn filter(words: &SearchWords, within: Document) -> Document {
    let mut filter = doc! {
        "$text": { "$search": phrases(words) },
        "$expr": has_words(words),
        "_id": is_id(),
    };
    filter.extend(within);
    filter
}

/// What the text index is asked for: all of several phrases, whereas of several words it takes any.
fn phrases(words: &SearchWords) -> String {
    let phrases: Vec<_> = words
        .as_slice()
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect();
    phrases.join(" ")
}

/// Whether a message has all the words. The index alone does not tell: it finds messages with one of the words, and the
/// server then looks for the others anywhere in the text, in the midst of longer words too.
fn has_words(words: &SearchWords) -> Document {
    let asked = doc! { "$literal": words.as_slice().join(" ") };
    let has_words = doc! { "$setIsSubset": [cut(asked), cut("$message")] };
    let literally = words.as_slice().iter().map(|word| has_literally(word));
    let literally = doc! { "$and": literally.collect::<Vec<_>>() };
    let is_long = doc! { "$gt": [{ "$strLenBytes": "$message" }, CUT_BYTES_MAX] };
    let is_text = doc! { "$eq": [{ "$type": "$message" }, "string"] };
    doc! { "$cond": [is_text, { "$or": [is_long, literally, has_words] }, false] }
}

/// Whether a message has the word as it is written here, but for its case. Most that have it do, and this takes a tenth
/// of the time that cutting the text takes.
fn has_literally(word: &str) -> Document {
    // Between \Q and \E nothing is special; no word has a backslash in it.
    let whole = format!(r"(?<!{OF_WORDS})\Q{word}\E(?!{OF_WORDS})");
    doc! { "$regexMatch": { "input": "$message", "regex": whole, "options": "i" } }
}

/// The words of a text.
fn cut(text: impl Into<Bson>) -> Document {
    let words = doc! { "$regexFindAll": { "input": text, "regex": format!("{OF_WORDS}+") } };
    doc! { "$map": { "input": words, "in": "$$this.match" } }
}
