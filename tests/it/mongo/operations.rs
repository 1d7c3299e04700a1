//! Every operation of a store, at least once, and the usual ones in each of their forms.

use std::time::Duration;

use colloquy::domain::{
    Author, Bill, Chat, ChatChange, ChatFilter, ChatStatus, EndState, Message, MessageChange, MessageFilter,
    MessageId, PageRequest, Position, ReplyOutcome, SearchScope, SearchWords, Slice, TokenCount, Usage,
    UserId,
};
use colloquy::store::{
    ACTIVE_REPLIES_MAX, Asking, Begun, ChatStore, Claim, Exchange, HistoryBounds, MessageStore, MongoStore,
    ReplyStore, RevocationStore, SearchStore, Store, UsageStore, Writing, Written,
};

use crate::support::make;

/// Longer than a test takes.
pub const LEASE: Duration = Duration::from_secs(600);

/// As much of a history as is read at all.
pub const BOUNDS: HistoryBounds = HistoryBounds {
    messages_max: 20,
    bytes_max: 1 << 20,
};

/// A new prompt and its reply, in a chat of anybody.
pub fn exchange(chat: &Chat, owner: &str) -> Exchange {
    let reply = make::streaming(chat.id, owner);
    let prompt = Message {
        reply_id: Some(reply.id),
        ..make::message(chat.id)
    };
    let mut reply = reply;
    if let Some(reply) = &mut reply.reply {
        reply.in_reply_to = Some(prompt.id);
    }
    Exchange {
        asking: Asking::New(Box::new(prompt)),
        reply,
        chat_of: Some(chat.user_id.clone()),
        lease: LEASE,
        others_max: ACTIVE_REPLIES_MAX - 1,
    }
}

/// What an exchange stores.
pub async fn begin(store: &MongoStore, exchange: &Exchange) -> (Option<Message>, Message) {
    match store.begin_exchange(exchange).await.unwrap() {
        Begun::Begun { prompt, reply, .. } => (prompt.map(|prompt| *prompt), *reply),
        other => panic!("{other:?}"),
    }
}

/// A message to write in a chat of anybody.
pub fn writing(message: Message) -> Writing {
    Writing {
        message,
        chat_of: None,
        moves_chat_up: true,
    }
}

/// The message as it is written.
pub async fn write(store: &MongoStore, message: Message) -> Message {
    match store.write_message(&writing(message)).await.unwrap() {
        Written::New { message, .. } => *message,
        other => panic!("{other:?}"),
    }
}

/// What a reply used.
pub fn bill(user: &UserId) -> Bill {
    Bill {
        user: user.clone(),
        at: make::now(),
        model: Some("a model".to_owned()),
        usage: Usage {
            prompt: TokenCount::reported(20),
            completion: TokenCount::reported(3),
        },
    }
}

/// A whole end.
pub fn complete(text: &str) -> ReplyOutcome {
    ReplyOutcome {
        text: Some(text.to_owned()),
        ..ReplyOutcome::bare(EndState::Complete, make::now())
    }
}

/// Runs them all, on chats of which the first one has this reply under way, owned by `us`; it is deleted at the end.
pub async fn run_all(store: &MongoStore, chats: &[Chat], reply: MessageId) {
    lists(store, chats).await;
    let (user, chat) = (&chats[0].user_id, chats[0].id);
    let ids: Vec<_> = chats.iter().map(|chat| chat.id).collect();
    let slice = Slice { skip: 2, limit: 3 };
    store.chat_slice(user, slice).await.unwrap();
    store.chat_count(user).await.unwrap();
    store.message_slice(chat, slice).await.unwrap();
    store.chats(&ids).await.unwrap();
    store.messages(&[reply, MessageId(make::id())]).await.unwrap();
    store
        .message_of_key(chat, &make::key("key-0").unwrap())
        .await
        .unwrap();
    store.last_messages(&ids).await.unwrap();
    store.message_counts(&ids).await.unwrap();
    store.token_counts(&ids).await.unwrap();
    store.active_replies(&ids).await.unwrap();
    for claim in [Claim::Lapsed, Claim::Owner("us"), Claim::Alone] {
        store.claimable_replies(claim, 10).await.unwrap();
    }
    replies(store, &chats[0], reply).await;
    let year = make::at(i64::from(u32::MAX));
    store.usage(user, make::at(0), year).await.unwrap();
    let revocation = store.revoke(user).await.unwrap();
    for after in [None, Some(&revocation)] {
        store.revocations(after, 5).await.unwrap();
    }
    let change = ChatChange::default();
    store.update_chat(chat, &change, make::now()).await.unwrap();
    let again = Message {
        client_key: make::key("key-3"),
        ..make::message(ids[3])
    };
    store.insert_message(&again).await.unwrap();
    store.write_message(&writing(again)).await.unwrap();
    // One that a program wrote that knows nothing of moments.
    store
        .insert_message(&make::streaming(ids[4], "them"))
        .await
        .unwrap();
    write(store, make::message(ids[4])).await;
    store.delete_message(chat, reply).await.unwrap();
    store.ping().await.unwrap();
    store.delete_chat(chat).await.unwrap();
    while store.sweep_deleted(40).await.unwrap().is_some() {}
}

async fn lists(store: &MongoStore, chats: &[Chat]) {
    let ids: Vec<_> = chats.iter().map(|chat| chat.id).collect();
    let position = Some(Position {
        at: make::at(20),
        id: make::id(),
    });
    // As a message without a date is shown, which has to be looked up.
    let undated = make::message(ids[0]).id.0;
    let [a, b, c, d, ..] = undated.bytes();
    let minted_at = make::at(i64::from(u32::from_be_bytes([a, b, c, d])) * 1_000);
    let undated = Some(Position {
        at: minted_at,
        id: undated,
    });
    let page = PageRequest::first(5);
    for request in [
        page,
        PageRequest::last(5),
        PageRequest {
            after: position,
            ..page
        },
        PageRequest {
            after: undated,
            ..page
        },
        PageRequest {
            before: position,
            ..PageRequest::last(5)
        },
        PageRequest {
            after: position,
            before: position,
            ..page
        },
    ] {
        for status in [None, Some(ChatStatus::active())] {
            for document_id in [None, chats[0].document_id] {
                let filter = ChatFilter {
                    status: status.clone(),
                    document_id,
                };
                let page = store.chat_page(&chats[0].user_id, &filter, &request).await;
                page.unwrap();
            }
        }
        for author in [None, Some(Author::Bot)] {
            for kind in [None, Some("text".to_owned())] {
                let filter = MessageFilter { author, kind };
                store.message_pages(&ids[..1], &filter, &request).await.unwrap();
                store.message_pages(&ids, &filter, &request).await.unwrap();
            }
        }
        let words = SearchWords::parse("hello").unwrap();
        for scope in [
            SearchScope::Chat(ids[0]),
            SearchScope::User(chats[0].user_id.clone()),
        ] {
            store.search_messages(&scope, &words, &request).await.unwrap();
        }
    }
}

async fn replies(store: &MongoStore, chat: &Chat, reply: MessageId) {
    let first = exchange(chat, "us");
    let (prompt, second) = begin(store, &first).await;
    // Each of the ways in which it is not new.
    store.begin_exchange(&first).await.unwrap();
    let mut refused = exchange(chat, "us");
    refused.others_max = 0;
    assert!(matches!(
        store.begin_exchange(&refused).await.unwrap(),
        Begun::Full(_)
    ));
    let regeneration = Exchange {
        asking: Asking::Stored,
        ..exchange(chat, "us")
    };
    let (_, third) = begin(store, &regeneration).await;
    let until = prompt.unwrap().position();
    let before = store.before_reply(chat.id, second.id, until, BOUNDS).await;
    assert!(before.unwrap().is_some());
    let change = MessageChange::default();
    store
        .update_message(chat.id, reply, &change, make::now())
        .await
        .unwrap();
    for stop in [None, Some(make::stop(1))] {
        if let Some(stop) = stop {
            store.request_stop(chat.id, reply, &stop).await.unwrap();
            store.request_stop(chat.id, reply, &stop).await.unwrap();
        }
        store
            .checkpoint(chat.id, reply, "us", "text", LEASE)
            .await
            .unwrap();
    }
    let (bill, outcome) = (bill(&chat.user_id), complete("x"));
    for _ in 0..2 {
        let finished = store.finish_reply(chat.id, reply, Claim::Owner("us"), &outcome, Some(&bill));
        finished.await.unwrap();
    }
    for claim in [Claim::Lapsed, Claim::Owner("us")] {
        store.remove_reply(chat.id, third.id, claim).await.unwrap();
    }
}
