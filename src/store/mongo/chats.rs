//! Chats.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc, oid};
use mongodb::options::{Hint, ReturnDocument};

use super::document::{encode_chat, read_chat, read_list, read_one};
use super::fields::{Fields, stored_date, stored_id, stored_user_id};
use super::keyset::Keyset;
use super::lists::{self, List};
use super::moments::{MOMENTS, of_new_chat};
use super::operation::{ANSWER_TIMEOUT, is_duplicate_key};
use super::{MongoStore, indexes};
use crate::domain::{Chat, ChatChange, ChatFilter, ChatId, Page, PageRequest, Slice, Timestamp, UserId};
use crate::store::{ChatStore, StoreError};

const BY_UPDATE: Keyset = Keyset {
    time: "updated_at",
    is_descending: true,
};

/// Ids of a user's chats that are read in one batch: of hardly any user there are more.
const IDS_EXPECTED: u32 = 10_000;

#[async_trait]
impl ChatStore for MongoStore {
    async fn insert_chat(&self, chat: &Chat) -> Result<(), StoreError> {
        let mut document = encode_chat(chat);
        document.insert(MOMENTS, of_new_chat());
        let inserted = self.chats.write(|chats| async move {
            // Nobody but us mints this id for this user at this moment, so such a chat is our own earlier attempt.
            let own = ["_id", "user_id", "created_at"];
            let own = own
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), document.get(name)?.clone())));
            let own: Document = own.collect();
            match chats.clone_with_type::<Document>().insert_one(document).await {
                Err(error) if is_duplicate_key(&error) => match chats.find_one(own).await? {
                    Some(_) => Ok(()),
                    None => Err(error),
                },
                inserted => inserted.map(drop),
            }
        });
        inserted.await
    }

    async fn chats(&self, ids: &[ChatId]) -> Result<Vec<Chat>, StoreError> {
        let documents = lists::by_id(&self.chats, ids.iter().map(|id| id.0)).await?;
        Ok(read_list(documents, read_chat))
    }

    async fn chat_page(
        &self,
        user: &UserId,
        filter: &ChatFilter,
        request: &PageRequest,
    ) -> Result<Page<Chat>, StoreError> {
        let of_user = doc! { "user_id": stored_user_id(user) };
        let mut scope = of_user.clone();
        if let Some(status) = &filter.status {
            scope.insert("status", &status.0);
        }
        if let Some(document_id) = filter.document_id {
            scope.insert("document_id", stored_id(document_id.0));
        }
        let edges = BY_UPDATE.edges(&self.chats, &of_user, request).await?;
        let Some(filter) = BY_UPDATE.filter(&scope, &edges) else {
            return Ok(Page::empty());
        };
        let limit = request.size.saturating_add(1);
        let list = List {
            filter,
            sort: BY_UPDATE.sort(request),
            skip: 0,
            limit,
            index: indexes::CHAT_LIST,
        };
        // The page is cut before its documents are read: whether there is more does not hang on a damaged one.
        let page = Page::from_read(lists::read(&self.chats, list).await?, request);
        Ok(Page {
            items: read_list(page.items, read_chat),
            has_more: page.has_more,
        })
    }

    async fn chat_slice(&self, user: &UserId, slice: Slice) -> Result<Vec<Chat>, StoreError> {
        let list = List {
            filter: doc! { "user_id": stored_user_id(user) },
            sort: doc! { "created_at": -1, "_id": 1 },
            skip: slice.skip,
            limit: slice.limit,
            index: indexes::CHAT_ORDER,
        };
        Ok(read_list(lists::read(&self.chats, list).await?, read_chat))
    }

    async fn chat_count(&self, user: &UserId) -> Result<u64, StoreError> {
        let count = vec![
            doc! { "$match": { "user_id": stored_user_id(user) } },
            doc! { "$group": { "_id": "$user_id", "count": { "$sum": 1 } } },
        ];
        let counts = lists::aggregate(&self.chats, count, 1, indexes::CHAT_ORDER).await?;
        let counts = counts
            .iter()
            .filter_map(|count| Fields::of(count).integer("count"));
        Ok(counts.sum::<i64>().unsigned_abs())
    }

    async fn update_chat(
        &self,
        id: ChatId,
        change: &ChatChange,
        now: Timestamp,
    ) -> Result<Option<Chat>, StoreError> {
        let mut update = doc! { "$max": { "updated_at": stored_date(now) } };
        let fields = [
            ("title", change.title.as_ref()),
            ("status", change.status.as_ref().map(|status| &status.0)),
        ];
        let fields = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let fields: Document = fields.collect();
        if !fields.is_empty() {
            update.insert("$set", fields);
        }
        let filter = doc! { "_id": stored_id(id.0) };
        let updated = self.chats.write_in_time(|chats, left| async move {
            chats
                .find_one_and_update(filter, update)
                .return_document(ReturnDocument::After)
                .max_time(left)
                .await
        });
        read_one(updated.await?, read_chat)
    }

    async fn delete_chat(&self, id: ChatId) -> Result<bool, StoreError> {
        self.delete(id).await
    }

    async fn sweep_deleted(&self, messages_max: usize) -> Result<Option<ChatId>, StoreError> {
        self.sweep(messages_max).await
    }
}

impl MongoStore {
    /// The ids of a user's chats, the latest changed first. Read from the keys of an index.
    pub(super) async fn chat_ids(&self, user: &UserId) -> Result<Vec<oid::ObjectId>, StoreError> {
        let filter = doc! { "user_id": stored_user_id(user) };
        let read = self.chats.read(|chats| async move {
            let find = chats
                .find(filter)
                .projection(doc! { "_id": 1 })
                .sort(doc! { "updated_at": -1, "_id": -1 })
                .hint(Hint::Name(indexes::CHAT_LIST.to_owned()));
            let found = find.batch_size(IDS_EXPECTED).max_time(ANSWER_TIMEOUT).await?;
            found.try_collect::<Vec<_>>().await
        });
        let ids = read
            .await?
            .into_iter()
            .filter_map(|chat| Fields::of(&chat).id("_id"));
        Ok(ids.map(stored_id).collect())
    }
}
