//! The counts of a chat are those of its messages, whatever was written, changed and removed, and by how many at once.

use colloquy::domain::{ChatId, EndState, Message, MessageChange, TokenCount, Usage};
use colloquy::store::{Begun, Claim, Store, Written};
use futures_util::future::join_all;

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    counts_follow_every_write_change_and_removal,
    counts_follow_replies_however_they_end,
    a_long_chat_is_counted_as_a_short_one,
    those_who_write_and_those_who_count_at_once_agree,
    a_sum_of_tokens_past_what_an_integer_holds_is_no_error_and_is_left_again,
}

/// The counts that a store says.
async fn counts(store: &dyn Store, chat: ChatId) -> (u64, i64) {
    let messages = store.message_counts(&[chat]).await.unwrap();
    let tokens = store.token_counts(&[chat]).await.unwrap();
    (
        messages.get(&chat).copied().unwrap_or_default(),
        tokens.get(&chat).copied().unwrap_or_default(),
    )
}

/// Sees that they are those of its messages.
async fn assert_right(store: &dyn Store, chat: ChatId, what: &str) {
    let messages = make::all(store, chat).await;
    let tokens = messages.iter().filter_map(|message| message.token_count);
    let tokens: i64 = tokens.map(|count| count.tokens).sum();
    assert_eq!(
        counts(store, chat).await,
        (messages.len() as u64, tokens),
        "{what}"
    );
}

fn with_tokens(message: Message, tokens: i64) -> Message {
    Message {
        token_count: make::tokens(tokens),
        ..message
    }
}

async fn write(store: &dyn Store, message: Message) -> Message {
    match store.write_message(&make::writing(message)).await.unwrap() {
        Written::New { message, .. } => *message,
        other => panic!("{other:?}"),
    }
}

async fn begin(store: &dyn Store, chat: ChatId) -> (Message, Message) {
    match store.begin_exchange(&make::exchange(chat, "us")).await.unwrap() {
        Begun::Begun { prompt, reply, .. } => (*prompt.unwrap(), *reply),
        other => panic!("{other:?}"),
    }
}

fn tokens_of(tokens: i64) -> MessageChange {
    MessageChange {
        token_count: Some(TokenCount::reported(tokens)),
        ..MessageChange::default()
    }
}

async fn counts_follow_every_write_change_and_removal(scratch: &Scratch) {
    let store = scratch.open().await;
    let (one, other) = (
        make::stored_chat(&*store).await.id,
        make::stored_chat(&*store).await.id,
    );
    assert_right(&*store, one, "an empty chat").await;
    let mut messages = Vec::new();
    for tokens in [0, 7, 50_000_000_000, -3] {
        messages.push(write(&*store, with_tokens(make::message(one), tokens)).await);
        assert_right(&*store, one, "a message").await;
    }
    // Written elsewhere, a long time ago.
    for millis in [5, 5, 9] {
        let old = with_tokens(make::message_at(one, millis), 100);
        store.insert_message(&old).await.unwrap();
        messages.push(old);
        assert_right(&*store, one, "an old message").await;
    }
    let keyed = Message {
        client_key: make::key("k"),
        ..make::message(one)
    };
    for _ in 0..3 {
        let again = Message {
            id: make::message(one).id,
            ..keyed.clone()
        };
        store.write_message(&make::writing(again)).await.unwrap();
        assert_right(&*store, one, "one of one key").await;
    }
    write(&*store, with_tokens(make::message(other), 1)).await;
    for (n, message) in messages.iter().enumerate() {
        for tokens in [n as i64, 1_000, 1_000, 3] {
            let change = tokens_of(tokens);
            let changed = store.update_message(one, message.id, &change, make::now());
            assert!(changed.await.unwrap().is_some());
            assert_right(&*store, one, "other tokens").await;
        }
        let text = MessageChange {
            text: Some("another text".to_owned()),
            ..MessageChange::default()
        };
        store
            .update_message(one, message.id, &text, make::now())
            .await
            .unwrap();
        assert_right(&*store, one, "another text").await;
        // Of another chat, there is no such message.
        assert!(!store.delete_message(other, message.id).await.unwrap());
    }
    for message in &messages {
        assert!(store.delete_message(one, message.id).await.unwrap());
        assert!(!store.delete_message(one, message.id).await.unwrap());
        assert_right(&*store, one, "a removal").await;
    }
    assert_eq!(counts(&*store, one).await, (1, 0));
    assert_eq!(counts(&*store, other).await, (1, 1));
    assert!(store.delete_chat(one).await.unwrap());
    while store.sweep_deleted(2).await.unwrap().is_some() {}
    assert_eq!(counts(&*store, one).await, (0, 0));
    assert_eq!(counts(&*store, other).await, (1, 1));
}

async fn counts_follow_replies_however_they_end(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await.id;
    for (n, state) in make::ENDS.into_iter().enumerate() {
        let (prompt, reply) = begin(&*store, chat).await;
        assert_right(&*store, chat, "a reply that streams").await;
        let mut outcome = make::outcome(state, "text");
        outcome.usage = (n % 2 == 0).then(|| Usage {
            prompt: TokenCount::reported(1_000),
            completion: TokenCount::reported(10 + n as i64),
        });
        if state == EndState::Stopped {
            store.request_stop(chat, reply.id, &make::stop(1)).await.unwrap();
        }
        for _ in 0..2 {
            let finish = store.finish_reply(chat, reply.id, Claim::Owner("us"), &outcome, None);
            finish.await.unwrap();
            assert_right(&*store, chat, "a reply that has ended").await;
        }
        store.delete_message(chat, prompt.id).await.unwrap();
        assert_right(&*store, chat, "a reply without its prompt").await;
    }
    let (_, half) = begin(&*store, chat).await;
    assert!(
        store
            .remove_reply(chat, half.id, Claim::Owner("us"))
            .await
            .unwrap()
    );
    assert_right(&*store, chat, "half an exchange").await;
    let (_, streaming) = begin(&*store, chat).await;
    assert!(store.delete_message(chat, streaming.id).await.unwrap());
    assert_right(&*store, chat, "a reply that was removed while it streamed").await;
}

async fn a_long_chat_is_counted_as_a_short_one(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await.id;
    for n in 0..450 {
        store
            .insert_message(&with_tokens(make::message_at(chat, n), n))
            .await
            .unwrap();
        if n % 150 == 149 {
            assert_right(&*store, chat, "a long chat").await;
        }
    }
    for message in make::all(&*store, chat).await.iter().step_by(3) {
        store.delete_message(chat, message.id).await.unwrap();
    }
    assert_right(&*store, chat, "a third is gone").await;
    assert_eq!(store.message_counts(&[chat]).await.unwrap()[&chat], 300);
}

async fn those_who_write_and_those_who_count_at_once_agree(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await.id;
    let mut old = Vec::new();
    for n in 0..120 {
        let message = with_tokens(make::message_at(chat, n), 1);
        store.insert_message(&message).await.unwrap();
        old.push(message.id);
    }
    let workers = (0..8).map(|worker| {
        let store = store.clone();
        let mine: Vec<_> = old.iter().skip(worker).step_by(8).copied().collect();
        tokio::spawn(async move {
            for (n, id) in mine.into_iter().enumerate() {
                match (n + worker) % 4 {
                    0 => drop(store.delete_message(chat, id).await.unwrap()),
                    1 => drop(
                        store
                            .update_message(chat, id, &tokens_of(5), make::now())
                            .await
                            .unwrap(),
                    ),
                    2 => drop(write(&*store, with_tokens(make::message(chat), 2)).await),
                    _ => {
                        let (messages, tokens) = counts(&*store, chat).await;
                        assert!((80..=160).contains(&messages), "{messages}");
                        assert!((80..=400).contains(&tokens), "{tokens}");
                    }
                }
            }
        })
    });
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    assert_right(&*store, chat, "all are done").await;
}

async fn a_sum_of_tokens_past_what_an_integer_holds_is_no_error_and_is_left_again(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await.id;
    let mut messages = Vec::new();
    for _ in 0..3 {
        messages.push(write(&*store, with_tokens(make::message(chat), i64::MAX - 7)).await);
    }
    assert_eq!(counts(&*store, chat).await, (3, i64::MAX));
    for message in &messages[1..] {
        store.delete_message(chat, message.id).await.unwrap();
    }
    assert_eq!(counts(&*store, chat).await, (1, i64::MAX - 7));
}
