//! Every operation of a store, named once, for stores that wrap another one and do the same around each operation.

/// Implements [`crate::store::Store`] for `$wrapper`: each operation calls the method of its name on `self.inner()`, and
/// hands its name and that call to `self.around(name, call)`, which decides what happens and when.
macro_rules! wrap_store {
    ($wrapper:ty) => {
        $crate::store::wrapped::wrap_store! { $wrapper:
            ChatStore {
                insert_chat(chat: &Chat) -> ();
                chats(ids: &[ChatId]) -> Vec<Chat>;
                chat_page(user: &UserId, filter: &ChatFilter, request: &PageRequest) -> Page<Chat>;
                chat_slice(user: &UserId, slice: Slice) -> Vec<Chat>;
                chat_count(user: &UserId) -> u64;
                update_chat(id: ChatId, change: &ChatChange, now: Timestamp) -> Option<Chat>;
                delete_chat(id: ChatId) -> bool;
                sweep_deleted(messages_max: usize) -> Option<ChatId>;
            }
            MessageStore {
                write_message(writing: &Writing) -> Written;
                insert_message(message: &Message) -> Inserted;
                message_of_key(chat: ChatId, key: &ClientKey) -> Option<Message>;
                messages(ids: &[MessageId]) -> Vec<Message>;
                message_pages(chats: &[ChatId], filter: &MessageFilter, request: &PageRequest)
                    -> HashMap<ChatId, Page<Message>>;
                message_slice(chat: ChatId, slice: Slice) -> Vec<Message>;
                last_messages(chats: &[ChatId]) -> HashMap<ChatId, Message>;
                message_counts(chats: &[ChatId]) -> HashMap<ChatId, u64>;
                token_counts(chats: &[ChatId]) -> HashMap<ChatId, i64>;
                update_message(chat: ChatId, id: MessageId, change: &MessageChange, now: Timestamp)
                    -> Option<Message>;
                delete_message(chat: ChatId, id: MessageId) -> bool;
            }
            ReplyStore {
                begin_exchange(exchange: &Exchange) -> Begun;
                before_reply(chat: ChatId, id: MessageId, until: Position, bounds: HistoryBounds)
                    -> Option<Before>;
                checkpoint(chat: ChatId, id: MessageId, owner: &str, text: &str, lease: Duration)
                    -> Checkpointed;
                request_stop(chat: ChatId, id: MessageId, stop: &StopRequest) -> Option<Message>;
                finish_reply(
                    chat: ChatId,
                    id: MessageId,
                    claim: Claim<'_>,
                    outcome: &ReplyOutcome,
                    bill: Option<&Bill>
                ) -> Option<Message>;
                claimable_replies(claim: Claim<'_>, limit: usize) -> Vec<Message>;
                remove_reply(chat: ChatId, id: MessageId, claim: Claim<'_>) -> bool;
                active_replies(chats: &[ChatId]) -> HashMap<ChatId, Vec<Message>>;
            }
            SearchStore {
                search_messages(scope: &SearchScope, words: &SearchWords, request: &PageRequest)
                    -> Page<Message>;
            }
            UsageStore {
                usage(user: &UserId, from: Timestamp, to: Timestamp) -> Vec<UsageRow>;
            }
            RevocationStore {
                revoke(user: &UserId) -> Revocation;
                revocations(since: Timestamp, limit: usize) -> Vec<Revocation>;
            }
            Store {
                ping() -> ();
            }
        }
    };
    ($wrapper:ty: $($trait:ident {
        $($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*
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
                            self.around(stringify!($name), self.inner().$name($($argument),*)).await
                        }
                    )*
                }
            )*
        };
    };
}

pub(crate) use wrap_store;
