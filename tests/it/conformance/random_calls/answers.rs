//! What a store answers to a call, as text, without what may differ from store to store.

use colloquy::domain::{
    ChatId, Message, MessageFilter, MessageId, ObjectId, Page, PageRequest, Position, SearchWords,
};
use colloquy::store::{Before, Begun, HistoryBounds, Inserted, Store, StoreError, Written};

use super::{BEGIN_MS, Call, Request, user};
use crate::support::make;

/// A message without what may differ from store to store.
fn bare(message: Message) -> Message {
    let mut message = Message {
        created_at: make::at(0),
        updated_at: make::at(0),
        ..message
    };
    if let Some(reply) = &mut message.reply {
        reply.lease_until = make::at(0);
    }
    message
}

fn bare_all(messages: Vec<Message>) -> Vec<Message> {
    messages.into_iter().map(bare).collect()
}

fn bare_boxed(message: Box<Message>) -> Box<Message> {
    Box::new(bare(*message))
}

/// One store, and what was written in it.
pub(super) struct Compared<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) chats: &'a [ChatId],
    pub(super) messages: &'a [(ChatId, MessageId)],
}

impl Compared<'_> {
    /// Where a message is here.
    async fn place(&self, id: ObjectId) -> Result<Option<Position>, StoreError> {
        let message = self.store.messages(&[MessageId(id)]).await?.pop();
        Ok(message.as_ref().map(Message::position))
    }

    async fn chat_place(&self, id: ObjectId) -> Result<Option<Position>, StoreError> {
        let chat = self.store.chats(&[ChatId(id)]).await?.pop();
        Ok(chat.map(|chat| Position {
            at: chat.updated_at,
            id,
        }))
    }

    /// The answer to a call, without what may differ.
    pub(super) async fn answer(&self, call: &Call) -> String {
        let answer = self.try_call(call).await;
        // Which error it is, is the engine's own affair.
        answer.unwrap_or_else(|_| "an error".to_owned())
    }

    async fn try_call(&self, call: &Call) -> Result<String, StoreError> {
        let store = self.store;
        let ids: Vec<_> = self.messages.iter().map(|(_, id)| *id).collect();
        Ok(match call.clone() {
            Call::Chats => {
                let mut chats = store.chats(self.chats).await?;
                chats.sort_by_key(|chat| chat.id);
                format!("{chats:?}, {}", store.chat_count(&user()).await?)
            }
            Call::ChatPage(filter, request) => {
                let (mut after, mut before) = (None, None);
                if let Some(id) = request.after {
                    after = self.chat_place(id).await?;
                }
                if let Some(id) = request.before {
                    before = self.chat_place(id).await?;
                }
                let request = PageRequest {
                    size: request.size,
                    backward: request.backward,
                    after,
                    before,
                };
                format!("{:?}", store.chat_page(&user(), &filter, &request).await?)
            }
            Call::ChatSlice(slice) => format!("{:?}", store.chat_slice(&user(), slice).await?),
            Call::UpdateChat(id, change, now) => format!("{:?}", store.update_chat(id, &change, now).await?),
            Call::DeleteChat(id) => {
                let is_deleted = store.delete_chat(id).await?;
                while store.sweep_deleted(3).await?.is_some() {}
                format!("{is_deleted}")
            }
            Call::Write(writing) => written(store.write_message(&writing).await?),
            Call::Insert(message) => match store.insert_message(&message).await? {
                Inserted::New => "new".to_owned(),
                Inserted::Existing(message) => format!("{:?}", bare(*message)),
            },
            Call::OfKey(chat, key) => {
                let key = make::key(key).unwrap();
                format!("{:?}", store.message_of_key(chat, &key).await?.map(bare))
            }
            Call::Messages => {
                let mut messages = store.messages(&ids).await?;
                messages.sort_by_key(|message| message.id);
                format!("{:?}", bare_all(messages))
            }
            Call::MessagePages(filter, request) => self.message_pages(&filter, request).await?,
            Call::MessageSlice(chat, slice) => {
                format!("{:?}", bare_all(store.message_slice(chat, slice).await?))
            }
            Call::LastAndCounts => {
                let mut last = store.last_messages(self.chats).await?;
                let counts = store.message_counts(self.chats).await?;
                let tokens = store.token_counts(self.chats).await?;
                let of_each = self.chats.iter().map(|chat| {
                    let count = counts.get(chat).copied().unwrap_or(0);
                    let tokens = tokens.get(chat).copied().unwrap_or(0);
                    (last.remove(chat).map(bare), count, tokens)
                });
                format!("{:?}", of_each.collect::<Vec<_>>())
            }
            Call::UpdateMessage(chat, id, change, now) => {
                let updated = store.update_message(chat, id, &change, now).await?;
                format!("{:?}", updated.map(bare))
            }
            Call::DeleteMessage(chat, id) => format!("{}", store.delete_message(chat, id).await?),
            Call::Begin(exchange) => begun(store.begin_exchange(&exchange).await?),
            Call::BeforeReply(chat, id, until) => {
                let Some(until) = self.place(until.0).await? else {
                    return Ok("nowhere".to_owned());
                };
                let bounds = HistoryBounds {
                    messages_max: 5,
                    bytes_max: 1 << 20,
                };
                let before = store.before_reply(chat, id, until, bounds).await?;
                let before = before.map(|Before { earlier, history }| (bare_all(earlier), bare_all(history)));
                format!("{before:?}")
            }
            Call::Checkpoint(chat, id, owner, text, lease) => {
                format!("{:?}", store.checkpoint(chat, id, owner, &text, lease).await?)
            }
            Call::Stop(chat, id, stop) => {
                format!("{:?}", store.request_stop(chat, id, &stop).await?.map(bare))
            }
            Call::Finish(chat, id, claim, outcome, bill) => {
                let finished = store
                    .finish_reply(chat, id, claim, &outcome, bill.as_ref())
                    .await?;
                format!("{:?}", finished.map(bare))
            }
            Call::Claimable(claim, limit) => {
                format!("{:?}", bare_all(store.claimable_replies(claim, limit).await?))
            }
            Call::Remove(chat, id, claim) => format!("{}", store.remove_reply(chat, id, claim).await?),
            Call::Active => {
                let mut active = store.active_replies(self.chats).await?;
                let of_each = self.chats.iter().map(|chat| active.remove(chat).map(bare_all));
                format!("{:?}", of_each.collect::<Vec<_>>())
            }
            Call::Search(scope, word) => {
                let words = SearchWords::parse(word).unwrap();
                let found = store
                    .search_messages(&scope, &words, &PageRequest::first(999))
                    .await?;
                // A reply may be found before it has ended, or not.
                let mut found = found.items;
                found.retain(|message| !message.is_under_way());
                format!("{:?}", bare_all(found))
            }
            Call::Usage => {
                let rows = store.usage(&user(), make::at(0), make::at(2 * BEGIN_MS)).await?;
                format!("{rows:?}")
            }
        })
    }

    async fn message_pages(&self, filter: &MessageFilter, request: Request) -> Result<String, StoreError> {
        let (mut after, mut before) = (None, None);
        if let Some(id) = request.after {
            after = self.place(id).await?;
        }
        if let Some(id) = request.before {
            before = self.place(id).await?;
        }
        let request = PageRequest {
            size: request.size,
            backward: request.backward,
            after,
            before,
        };
        let mut pages = self.store.message_pages(self.chats, filter, &request).await?;
        let of_each = self.chats.iter().map(|chat| {
            let Page { items, has_more } = pages.remove(chat).unwrap_or_else(Page::empty);
            (bare_all(items), has_more)
        });
        Ok(format!("{:?}", of_each.collect::<Vec<_>>()))
    }
}

fn written(written: Written) -> String {
    let bare = match written {
        Written::New { chat, message } => Written::New {
            chat,
            message: bare_boxed(message),
        },
        Written::Existing(message) => Written::Existing(bare_boxed(message)),
        written => written,
    };
    format!("{bare:?}")
}

fn begun(begun: Begun) -> String {
    let bare = match begun {
        Begun::Begun { chat, prompt, reply } => Begun::Begun {
            chat,
            prompt: prompt.map(bare_boxed),
            reply: bare_boxed(reply),
        },
        Begun::Joined { prompt, reply } => Begun::Joined {
            prompt: prompt.map(bare_boxed),
            reply: reply.map(bare_boxed),
        },
        begun => begun,
    };
    format!("{bare:?}")
}
