//! Every operation of a store, named once, for stores that wrap another one and do the same around each operation.

/// Whether an operation may change what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Implements [`crate::store::Store`] for `$wrapper`: each operation calls the method of its name on `self.inner()`, and
/// hands its name, its access and that call to `self.around(name, access, call)`, which decides what happens and when.
macro_rules! wrap_store {
    (@read) => { $crate::store::wrapped::Access::Read };
    (@write) => { $crate::store::wrapped::Access::Write };
    ($wrapper:ty) => {
        $crate::store::wrapped::wrap_store! { $wrapper:
            ChatStore {
                write insert_chat(chat: &Chat) -> ();
                read chats(ids: &[ChatId]) -> Vec<Chat>;
                read chat_page(user: &UserId, filter: &ChatFilter, request: &PageRequest) -> Page<Chat>;
                read chat_slice(user: &UserId, slice: Slice) -> Vec<Chat>;
                read chat_count(user: &UserId) -> u64;
                write update_chat(id: ChatId, change: &ChatChange, now: Timestamp) -> Option<Chat>;
                write delete_chat(id: ChatId) -> bool;
                write sweep_deleted(messages_max: usize) -> Option<ChatId>;
            }
            MessageStore {
                write write_message(writing: &Writing) -> Written;
                write insert_message(message: &Message) -> Inserted;
                read message_of_key(chat: ChatId, key: &ClientKey) -> Option<Message>;
                read messages(ids: &[MessageId]) -> Vec<Message>;
                read message_pages(chats: &[ChatId], filter: &MessageFilter, request: &PageRequest)
                    -> HashMap<ChatId, Page<Message>>;
                read message_slice(chat: ChatId, slice: Slice) -> Vec<Message>;
                read last_messages(chats: &[ChatId]) -> HashMap<ChatId, Message>;
                read message_counts(chats: &[ChatId]) -> HashMap<ChatId, u64>;
                read token_counts(chats: &[ChatId]) -> HashMap<ChatId, i64>;
                write update_message(chat: ChatId, id: MessageId, change: &MessageChange, now: Timestamp)
                    -> Option<Message>;
                write delete_message(chat: ChatId, id: MessageId) -> bool;
            }
            ReplyStore {
                write begin_exchange(exchange: &Exchange) -> Begun;
                read before_reply(chat: ChatId, id: MessageId, until: Position, bounds: HistoryBounds)
                    -> Option<Before>;
                write checkpoint(chat: ChatId, id: MessageId, owner: &str, text: &str, lease: Duration)
                    -> Checkpointed;
                write request_stop(chat: ChatId, id: MessageId, stop: &StopRequest) -> Option<Message>;
                write finish_reply(
                    chat: ChatId,
                    id: MessageId,
                    claim: Claim<'_>,
                    outcome: &ReplyOutcome,
                    bill: Option<&Bill>
                ) -> Option<Message>;
                read claimable_replies(claim: Claim<'_>, limit: usize) -> Vec<Message>;
                write remove_reply(chat: ChatId, id: MessageId, claim: Claim<'_>) -> bool;
                read active_replies(chats: &[ChatId]) -> HashMap<ChatId, Vec<Message>>;
            }
            SearchStore {
                read search_messages(scope: &SearchScope, words: &SearchWords, request: &PageRequest)
                    -> Page<Message>;
            }
            UsageStore {
                read usage(user: &UserId, from: Timestamp, to: Timestamp) -> Vec<UsageRow>;
            }
            RevocationStore {
                write revoke(user: &UserId) -> Revocation;
                read revocations(after: Option<&Revocation>, limit: usize) -> Vec<Revocation>;
            }
            Store {
                read ping() -> ();
                read close() -> ();
            }
        }
    };
    ($wrapper:ty: $($trait:ident {
        $($access:ident $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*
    })*) => {
        const _: () = {
            use std::collections::HashMap;
            use std::time::Duration;

            use async_trait::async_trait;

            use $crate::domain::{
                Bill, Chat, ChatChange, ChatFilter, ChatId, ClientKey, Message, MessageChange, MessageFilter,
                MessageId, Page, PageRequest, Position, ReplyOutcome, Revocation, SearchScope, SearchWords,
                Slice, StopRequest, Timestamp, UsageRow, UserId,
            };
            use $crate::store::{
                Before, Begun, ChatStore, Checkpointed, Claim, Exchange, HistoryBounds, Inserted,
                MessageStore, ReplyStore, RevocationStore, SearchStore, Store, StoreError, UsageStore,
                Writing, Written,
            };

            $(
                #[async_trait]
                impl $trait for $wrapper {
                    $(
                        async fn $name(&self, $($argument: $type),*) -> Result<$result, StoreError> {
                            let access = $crate::store::wrapped::wrap_store!(@$access);
                            self.around(stringify!($name), access, self.inner().$name($($argument),*)).await
                        }
                    )*
                }
            )*
        };
    };
}

pub(crate) use wrap_store;
