//! Lists: of documents by id, and of the first documents of each of several chats, always in one command.

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::Hint;

use super::calls::Documents;
use super::fields::stored_id;
use super::operation::ANSWER_TIMEOUT;
use crate::domain::{ChatId, ObjectId};
use crate::store::StoreError;

/// Pipelines of one command. The server takes a thousand stages; three are the first chat's own.
const PIPELINES_MAX: usize = 900;

/// Which documents of a collection to read, by way of one index.
pub(super) struct List {
    /// What they have in common.
    pub(super) filter: Document,
    /// The order they are read in.
    pub(super) sort: Document,
    /// How many to pass over.
    pub(super) skip: u64,
    /// How many to read.
    pub(super) limit: usize,
    /// The index to read them from. Naming it keeps the server from trying the documented ones, which need a sort.
    pub(super) index: &'static str,
}

/// Reads a list in one command.
pub(super) async fn read(collection: &Documents, list: List) -> Result<Vec<RawDocumentBuf>, StoreError> {
    let read = collection.read(|collection| async move {
        let find = collection
            .find(list.filter)
            .sort(list.sort)
            .hint(Hint::Name(list.index.to_owned()));
        let limit = i64::try_from(list.limit).unwrap_or(i64::MAX);
        find.skip(list.skip)
            .limit(limit)
            .batch_size(batch_size(list.limit))
            .max_time(ANSWER_TIMEOUT)
            .await?
            .try_collect()
            .await
    });
    read.await
}

/// The documents of these ids that exist.
pub(super) async fn by_id(
    collection: &Documents,
    ids: impl Iterator<Item = ObjectId>,
) -> Result<Vec<RawDocumentBuf>, StoreError> {
    let ids: Vec<_> = ids.map(stored_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let batch_size = batch_size(ids.len());
    let read = collection.read(|collection| async move {
        let find = collection.find(doc! { "_id": { "$in": ids } });
        find.batch_size(batch_size)
            .max_time(ANSWER_TIMEOUT)
            .await?
            .try_collect()
            .await
    });
    read.await
}

/// What `pipeline` makes of a collection, by way of one index; about `count` documents.
pub(super) async fn aggregate(
    collection: &Documents,
    pipeline: Vec<Document>,
    count: usize,
    index: &'static str,
) -> Result<Vec<RawDocumentBuf>, StoreError> {
    let read = collection.read(|collection| async move {
        let aggregate = collection.aggregate(pipeline).with_type::<RawDocumentBuf>();
        let aggregate = aggregate.hint(Hint::Name(index.to_owned()));
        aggregate
            .batch_size(batch_size(count))
            .max_time(ANSWER_TIMEOUT)
            .await?
            .try_collect()
            .await
    });
    read.await
}

/// The first documents of each chat's list. One command up to [`PIPELINES_MAX`] chats, and of each chat no more keys
/// are read than documents returned: the union of one small pipeline for each chat, as a single filter cannot limit
/// chat by chat.
pub(super) async fn of_each_chat(
    collection: &Documents,
    chats: &[ChatId],
    list: impl Fn(Bson) -> Option<List>,
) -> Result<Vec<RawDocumentBuf>, StoreError> {
    let mut chats = chats.to_vec();
    chats.sort_unstable();
    chats.dedup();
    let mut lists: Vec<_> = chats
        .into_iter()
        .filter_map(|chat| list(stored_id(chat.0).into()))
        .collect();
    let mut documents = Vec::new();
    while let Some(first) = lists.pop() {
        let others = lists.split_off(lists.len().saturating_sub(PIPELINES_MAX));
        if others.is_empty() {
            documents.extend(read(collection, first).await?);
        } else {
            documents.extend(read_union(collection, first, others).await?);
        }
    }
    Ok(documents)
}

/// Reads several lists in one command.
async fn read_union(
    collection: &Documents,
    first: List,
    others: Vec<List>,
) -> Result<Vec<RawDocumentBuf>, StoreError> {
    let count = others
        .iter()
        .fold(first.limit, |count, list| count.saturating_add(list.limit));
    let index = first.index;
    // The server heeds the hint for the first list alone. For the others it finds the same index by itself: no other
    // gives the order, and a plan that sorts loses to one that stops at the limit.
    let union =
        |list: List| doc! { "$unionWith": { "coll": collection.bare.name(), "pipeline": stages(list) } };
    let others = others.into_iter().map(union);
    let pipeline = stages(first).into_iter().chain(others).collect();
    aggregate(collection, pipeline, count, index).await
}

/// A list as the stages of a pipeline, from its beginning.
pub(super) fn stages(list: List) -> Vec<Document> {
    let limit = i64::try_from(list.limit).unwrap_or(i64::MAX);
    vec![
        doc! { "$match": list.filter },
        doc! { "$sort": list.sort },
        doc! { "$limit": limit },
    ]
}

/// A batch that holds so many documents and the end of the list, so that nobody asks for another.
pub(super) fn batch_size(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1)
}
