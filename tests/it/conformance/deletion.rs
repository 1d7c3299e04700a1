//! A chat is deleted with all its messages, and nothing else.

use std::time::Duration;

use colloquy::domain::{
    Chat, ChatChange, ChatFilter, ChatId, ClientKey, EndState, Message, MessageChange, MessageFilter,
    MessageId, PageRequest, Position, SearchScope, SearchWords, Slice, UserId,
};
use colloquy::store::{Begun, Checkpointed, Claim, HistoryBounds, Store, Written};
use futures_util::future::join_all;
use mongodb::bson::{Document, doc};
use rusqlite::{Connection, OpenFlags};

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    a_chat_is_deleted_with_all_its_messages_and_no_others,
    nothing_leads_to_a_deleted_chat_and_once_swept_nothing_is_there,
    a_sweep_goes_on_after_the_store_was_opened_again,
    what_is_written_while_a_chat_is_deleted_is_removed_with_it,
    a_message_is_deleted_once,
}

/// How many messages are stored, whether anything finds them or not; and where words have an index of their own, in how
/// many of them it has `word`.
async fn left(scratch: &Scratch, word: &str) -> (u64, u64) {
    if let Some(store) = scratch.in_memory() {
        let all = store.all_messages();
        let with_word = all.iter().filter(|message| message.text.contains(word));
        return (all.len() as u64, with_word.count() as u64);
    }
    if scratch.address().starts_with("mongodb") {
        let messages = scratch.database().await.collection::<Document>("chat_messages");
        let all = messages.count_documents(doc! {}).await.unwrap();
        let found = doc! { "$text": { "$search": word } };
        return (all, messages.count_documents(found).await.unwrap());
    }
    let file = std::path::Path::new(&scratch.address()).join("colloquy.db");
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let count = |sql: &str, values: &[&str]| {
        let values = rusqlite::params_from_iter(values);
        let count: i64 = connection.query_row(sql, values, |row| row.get(0)).unwrap();
        count.unsigned_abs()
    };
    (
        count("SELECT count(*) FROM messages", &[]),
        count(
            "SELECT count(*) FROM message_words WHERE message_words MATCH ?",
            &[word],
        ),
    )
}

async fn sweep(store: &dyn Store) {
    while store.sweep_deleted(100).await.unwrap().is_some() {}
}

/// A chat with so many messages.
async fn filled(store: &dyn Store, user: UserId, count: i64) -> (Chat, Vec<Message>) {
    let chat = Chat {
        user_id: user,
        ..make::chat()
    };
    store.insert_chat(&chat).await.unwrap();
    let mut messages = Vec::new();
    for n in 0..count {
        let message = Message {
            text: "a lighthouse".to_owned(),
            token_count: make::tokens(1),
            client_key: make::key(&format!("key-{n}")),
            ..make::message_at(chat.id, n)
        };
        store.insert_message(&message).await.unwrap();
        messages.push(message);
    }
    (chat, messages)
}

async fn a_chat_is_deleted_with_all_its_messages_and_no_others(scratch: &Scratch) {
    let store = scratch.open().await;
    let (doomed, _) = filled(&*store, UserId::Int(7), 250).await;
    let (kept, messages) = filled(&*store, UserId::Int(7), 150).await;
    assert_eq!(left(scratch, "lighthouse").await, (400, 400));

    assert!(store.delete_chat(doomed.id).await.unwrap());
    assert!(!store.delete_chat(doomed.id).await.unwrap());
    assert!(!store.delete_chat(ChatId(make::id())).await.unwrap());
    // A bounded number at a time.
    assert!(store.sweep_deleted(60).await.unwrap().is_some());
    assert_eq!(left(scratch, "lighthouse").await, (340, 340));
    sweep(&*store).await;
    assert_eq!(left(scratch, "lighthouse").await, (150, 150));

    let both = [doomed.id, kept.id];
    assert_eq!(store.chats(&both).await.unwrap(), std::slice::from_ref(&kept));
    let all = Slice { skip: 0, limit: 999 };
    assert_eq!(store.message_slice(kept.id, all).await.unwrap(), messages);
}

async fn nothing_leads_to_a_deleted_chat_and_once_swept_nothing_is_there(scratch: &Scratch) {
    let store = scratch.open().await;
    let (chat, mut messages) = filled(&*store, UserId::Int(7), 3).await;
    let (ended, growing) = (make::exchange(chat.id, "us"), make::exchange(chat.id, "us"));
    for exchange in [&ended, &growing] {
        let Begun::Begun { prompt, reply, .. } = store.begin_exchange(exchange).await.unwrap() else {
            panic!("not begun");
        };
        messages.extend([*prompt.unwrap(), *reply]);
    }
    let outcome = make::outcome(EndState::Complete, "a lighthouse");
    let finish = store.finish_reply(chat.id, ended.reply.id, Claim::Alone, &outcome, None);
    finish.await.unwrap().unwrap();

    assert!(store.delete_chat(chat.id).await.unwrap());
    for is_swept in [false, true] {
        if is_swept {
            sweep(&*store).await;
            finds_nothing(&*store, &chat, &messages).await;
            changes_nothing(&*store, &chat, &messages).await;
        }
        leads_nowhere(&*store, &chat, &messages).await;
        begins_nothing(&*store, &chat, &messages).await;
    }
    assert_eq!(left(scratch, "lighthouse").await, (0, 0));
}

/// Whoever looks for the chat first, or for what a user has, or for what is under way, finds nothing.
async fn leads_nowhere(store: &dyn Store, chat: &Chat, messages: &[Message]) {
    let (user, chats, request) = (&chat.user_id, [chat.id], PageRequest::first(99));
    assert_eq!(store.chats(&chats).await.unwrap(), []);
    let page = store.chat_page(user, &ChatFilter::default(), &request).await;
    assert_eq!(page.unwrap().items, []);
    let all = Slice { skip: 0, limit: 99 };
    assert_eq!(store.chat_slice(user, all).await.unwrap(), []);
    assert_eq!(store.chat_count(user).await.unwrap(), 0);
    is_not_found(store, SearchScope::User(user.clone())).await;

    assert!(store.active_replies(&chats).await.unwrap().is_empty());
    for claim in [Claim::Owner("us"), Claim::Lapsed, Claim::Alone] {
        assert_eq!(store.claimable_replies(claim, 99).await.unwrap(), []);
    }
    let until = Position {
        at: make::now().plus_millis(60_000),
        id: make::id(),
    };
    let bounds = HistoryBounds {
        messages_max: 99,
        bytes_max: 1 << 20,
    };
    for message in messages {
        let before = store.before_reply(chat.id, message.id, until, bounds).await;
        assert_eq!(before.unwrap(), None);
    }
}

async fn is_not_found(store: &dyn Store, scope: SearchScope) {
    let words = SearchWords::parse("lighthouse").unwrap();
    let found = store
        .search_messages(&scope, &words, &PageRequest::first(99))
        .await;
    let found = found.unwrap();
    assert_eq!((found.items, found.has_more), (Vec::new(), false));
}

/// Whoever asks for its messages themselves finds nothing either.
async fn finds_nothing(store: &dyn Store, chat: &Chat, messages: &[Message]) {
    let (chats, request) = ([chat.id], PageRequest::first(99));
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    assert_eq!(store.messages(&ids).await.unwrap(), []);
    let key = ClientKey::parse("key-1").unwrap();
    assert_eq!(store.message_of_key(chat.id, &key).await.unwrap(), None);
    let filter = MessageFilter::default();
    let pages = store.message_pages(&chats, &filter, &request).await.unwrap();
    assert!(pages.values().all(|page| page.items.is_empty() && !page.has_more));
    let all = Slice { skip: 0, limit: 99 };
    assert_eq!(store.message_slice(chat.id, all).await.unwrap(), []);
    assert!(store.last_messages(&chats).await.unwrap().is_empty());
    let counts = store.message_counts(&chats).await.unwrap();
    assert!(counts.values().all(|count| *count == 0));
    let tokens = store.token_counts(&chats).await.unwrap();
    assert!(tokens.values().all(|count| *count == 0));
    is_not_found(store, SearchScope::Chat(chat.id)).await;
}

/// Nothing is written in it any more.
async fn begins_nothing(store: &dyn Store, chat: &Chat, messages: &[Message]) {
    let chat = chat.id;
    assert!(!store.delete_chat(chat).await.unwrap());
    let change = ChatChange::default();
    assert_eq!(store.update_chat(chat, &change, make::now()).await.unwrap(), None);
    for message in [make::message(chat), messages[0].clone()] {
        let written = store.write_message(&make::writing(message)).await;
        assert_eq!(written.unwrap(), Written::NoChat);
    }
    for exchange in [make::exchange(chat, "us"), make::reply_to_stored(chat, "us")] {
        assert_eq!(store.begin_exchange(&exchange).await.unwrap(), Begun::NoChat);
    }
    for message in messages.iter().filter(|message| message.is_under_way()) {
        let lease = Duration::from_secs(600);
        let stored = store.checkpoint(chat, message.id, "us", "a longer text", lease);
        assert_eq!(stored.await.unwrap(), Checkpointed::Lost);
        let outcome = make::outcome(EndState::Complete, "x");
        let finished = store.finish_reply(chat, message.id, Claim::Alone, &outcome, None);
        assert_eq!(finished.await.unwrap(), None);
    }
}

/// Nothing is left to change.
async fn changes_nothing(store: &dyn Store, chat: &Chat, messages: &[Message]) {
    let chat = chat.id;
    let change = MessageChange {
        text: Some("other".to_owned()),
        ..MessageChange::default()
    };
    for message in messages {
        let id = message.id;
        let updated = store.update_message(chat, id, &change, make::now()).await;
        assert_eq!(updated.unwrap(), None);
        assert_eq!(store.request_stop(chat, id, &make::stop(5)).await.unwrap(), None);
        assert!(!store.remove_reply(chat, id, Claim::Alone).await.unwrap());
        assert!(!store.delete_message(chat, id).await.unwrap());
    }
}

async fn a_sweep_goes_on_after_the_store_was_opened_again(scratch: &Scratch) {
    {
        let store = scratch.open().await;
        for _ in 0..2 {
            let (chat, _) = filled(&*store, UserId::Int(7), 70).await;
            assert!(store.delete_chat(chat.id).await.unwrap());
        }
        assert!(store.sweep_deleted(30).await.unwrap().is_some());
    }
    assert_eq!(left(scratch, "lighthouse").await, (110, 110));
    let store = scratch.open().await;
    sweep(&*store).await;
    assert_eq!(left(scratch, "lighthouse").await, (0, 0));
}

async fn what_is_written_while_a_chat_is_deleted_is_removed_with_it(scratch: &Scratch) {
    let store = scratch.open().await;
    for round in 0..10 {
        let (chat, _) = filled(&*store, UserId::Int(7), 3).await;
        let calls = (0..30).map(|n| {
            let (store, chat) = (store.clone(), chat.id);
            tokio::spawn(async move {
                // The deletion begins after some of them.
                match n {
                    9 => assert!(store.delete_chat(chat).await.unwrap()),
                    n if n % 3 == 0 => _ = store.begin_exchange(&make::exchange(chat, "us")).await.unwrap(),
                    n if n % 3 == 1 => {
                        let exchange = make::reply_to_stored(chat, "them");
                        store.begin_exchange(&exchange).await.unwrap();
                    }
                    _ => {
                        _ = store
                            .write_message(&make::writing(make::message(chat)))
                            .await
                            .unwrap()
                    }
                }
            })
        });
        for call in join_all(calls.collect::<Vec<_>>()).await {
            call.unwrap();
        }
        // A write that was under way may have come after the deletion, until the sweep.
        sweep(&*store).await;
        assert_eq!(
            store.claimable_replies(Claim::Alone, 99).await.unwrap(),
            [],
            "{round}"
        );
        assert_eq!(left(scratch, "lighthouse").await, (0, 0), "{round}");
    }
}

async fn a_message_is_deleted_once(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let (gone, kept) = (make::message(chat.id), make::message(chat.id));
    for message in [&gone, &kept] {
        store.insert_message(message).await.unwrap();
    }
    assert!(store.delete_message(chat.id, gone.id).await.unwrap());
    assert!(!store.delete_message(chat.id, gone.id).await.unwrap());
    assert!(
        !store
            .delete_message(chat.id, MessageId(make::id()))
            .await
            .unwrap()
    );
    assert_eq!(store.messages(&[gone.id, kept.id]).await.unwrap(), [kept]);
}
