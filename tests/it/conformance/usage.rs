//! What was used is told by day, author, model and kind of figure.

use colloquy::domain::{
    Author, Chat, ChatId, Message, Reply, ReplyOutcome, ReplyState, Timestamp, TokenCount, Usage, UsageRow,
    UserId,
};
use colloquy::store::{Claim, Store};

use crate::on_both_stores;
use crate::support::make;
use crate::support::scratch::Scratch;

on_both_stores! {
    messages_are_summed_up_by_day_author_model_and_kind_of_figure,
    only_counted_messages_and_ended_replies_are_told,
    only_messages_of_the_users_chats_in_that_time_are_told,
    a_sum_past_what_an_integer_holds_is_no_error,
}

const DAY: i64 = 86_400_000;

fn user() -> UserId {
    UserId::Text("payer".to_owned())
}

async fn chat(store: &dyn Store, user_id: UserId) -> ChatId {
    let chat = Chat {
        user_id,
        ..make::chat()
    };
    store.insert_chat(&chat).await.unwrap();
    chat.id
}

fn counted(chat: ChatId, millis: i64, author: Author, tokens: i64, is_estimated: bool) -> Message {
    Message {
        author,
        token_count: Some(TokenCount { tokens, is_estimated }),
        ..make::message_at(chat, millis)
    }
}

fn usage(prompt: (i64, bool), completion: (i64, bool)) -> Option<Usage> {
    let count = |(tokens, is_estimated)| TokenCount { tokens, is_estimated };
    Some(Usage {
        prompt: count(prompt),
        completion: count(completion),
    })
}

/// Stores a reply of `model` and ends it.
async fn reply(
    store: &dyn Store,
    chat: ChatId,
    millis: i64,
    model: Option<&str>,
    state: ReplyState,
    usage: Option<Usage>,
) {
    let streaming = Message {
        created_at: make::at(millis),
        ..make::streaming(chat, "us")
    };
    let streaming = Message {
        reply: streaming.reply.clone().map(|reply| Reply {
            model: model.map(str::to_owned),
            ..reply
        }),
        ..streaming
    };
    store.insert_message(&streaming).await.unwrap();
    let outcome = ReplyOutcome {
        usage,
        ..make::outcome(state, "x")
    };
    store
        .finish_reply(streaming.id, Claim::Alone, &outcome)
        .await
        .unwrap()
        .unwrap();
}

fn row(
    day: i64,
    author: Author,
    model: Option<&str>,
    message_count: u64,
    prompt_tokens: i64,
    tokens: (i64, bool),
) -> UsageRow {
    UsageRow {
        day: make::at(day * DAY),
        author,
        model: model.map(str::to_owned),
        message_count,
        prompt_tokens,
        tokens: TokenCount {
            tokens: tokens.0,
            is_estimated: tokens.1,
        },
    }
}

async fn all(store: &dyn Store, user: &UserId) -> Vec<UsageRow> {
    store
        .usage(user, make::at(-9 * DAY), make::at(99 * DAY))
        .await
        .unwrap()
}

async fn messages_are_summed_up_by_day_author_model_and_kind_of_figure(scratch: &Scratch) {
    let store = scratch.open().await;
    let store = &*store;
    let (one, other) = (chat(store, user()).await, chat(store, user()).await);
    for message in [
        counted(one, DAY, Author::User, 5, false),
        counted(other, 2 * DAY - 1, Author::User, 6, false),
        counted(one, DAY + 7, Author::User, 7, true),
        counted(one, DAY + 8, Author::Bot, 8, false),
        counted(one, 2 * DAY, Author::User, 0, false),
        counted(one, -1, Author::User, 9, false),
        counted(one, -DAY, Author::User, 1, false),
        counted(one, -DAY - 1, Author::User, 2, false),
        counted(one, 0, Author::User, 3, false),
    ] {
        store.insert_message(&message).await.unwrap();
    }
    let complete = ReplyState::Complete;
    for (chat, model, usage) in [
        (one, Some("m-2"), usage((100, false), (10, false))),
        (other, Some("m-2"), usage((200, false), (20, false))),
        // Each figure may be an estimate by itself.
        (one, Some("m-2"), usage((1, true), (2, false))),
        (other, Some("m-2"), usage((3, false), (4, true))),
        (
            one,
            Some("M-1"),
            usage((5_000_000_000, false), (6_000_000_000, false)),
        ),
        (one, Some("मॉडल"), usage((1, false), (1, false))),
        (one, None, usage((50, false), (5, false))),
    ] {
        reply(store, chat, DAY + 9, model, complete, usage).await;
    }
    let expected = [
        row(-2, Author::User, None, 1, 0, (2, false)),
        row(-1, Author::User, None, 2, 0, (10, false)),
        row(0, Author::User, None, 1, 0, (3, false)),
        row(1, Author::User, None, 2, 0, (11, false)),
        row(1, Author::User, None, 1, 0, (7, true)),
        row(1, Author::Bot, None, 2, 50, (13, false)),
        row(
            1,
            Author::Bot,
            Some("M-1"),
            1,
            5_000_000_000,
            (6_000_000_000, false),
        ),
        row(1, Author::Bot, Some("m-2"), 2, 300, (30, false)),
        row(1, Author::Bot, Some("m-2"), 2, 4, (6, true)),
        row(1, Author::Bot, Some("मॉडल"), 1, 1, (1, false)),
        row(2, Author::User, None, 1, 0, (0, false)),
    ];
    assert_eq!(all(store, &user()).await, expected);
}

async fn only_counted_messages_and_ended_replies_are_told(scratch: &Scratch) {
    let store = scratch.open().await;
    let store = &*store;
    let chat = chat(store, user()).await;
    store.insert_message(&make::message_at(chat, 1)).await.unwrap();
    let ready_made = Message {
        author: Author::Bot,
        ..make::message_at(chat, 2)
    };
    store.insert_message(&ready_made).await.unwrap();
    // One that streams, though somebody counted it already.
    let streaming = Message {
        created_at: make::at(3),
        token_count: make::tokens(3),
        ..make::streaming(chat, "us")
    };
    store.insert_message(&streaming).await.unwrap();
    assert_eq!(all(store, &user()).await, []);

    let ends: Vec<_> = ReplyState::ALL
        .into_iter()
        .filter(|state| state.is_final())
        .collect();
    for state in &ends {
        reply(store, chat, 4, Some("m"), *state, None).await;
    }
    let silent = row(0, Author::Bot, Some("m"), ends.len() as u64, 0, (0, false));
    assert_eq!(all(store, &user()).await, [silent]);
    reply(
        store,
        chat,
        5,
        Some("m"),
        ReplyState::Stopped,
        usage((9, false), (1, false)),
    )
    .await;
    let told = row(0, Author::Bot, Some("m"), ends.len() as u64 + 1, 9, (1, false));
    assert_eq!(all(store, &user()).await, std::slice::from_ref(&told));

    let outcome = make::outcome(ReplyState::Complete, "x");
    store
        .finish_reply(streaming.id, Claim::Alone, &outcome)
        .await
        .unwrap();
    let ended = row(0, Author::Bot, None, 1, 0, (3, false));
    assert_eq!(all(store, &user()).await, [ended, told]);
}

async fn only_messages_of_the_users_chats_in_that_time_are_told(scratch: &Scratch) {
    let store = scratch.open().await;
    let store = &*store;
    let (kept, doomed) = (
        chat(store, UserId::Int(7)).await,
        chat(store, UserId::Int(7)).await,
    );
    let other = chat(store, UserId::Text("7".to_owned())).await;
    let mut messages = Vec::new();
    for (chat, tokens) in [(kept, 1), (doomed, 10), (other, 100)] {
        for millis in [10, 20, 30] {
            let message = counted(chat, millis, Author::User, tokens, false);
            store.insert_message(&message).await.unwrap();
            messages.push(message);
        }
    }
    let sum = async |from, to| {
        let (from, to): (Timestamp, Timestamp) = (make::at(from), make::at(to));
        let rows = store.usage(&UserId::Int(7), from, to).await.unwrap();
        rows.iter().map(|row| row.tokens.tokens).sum::<i64>()
    };
    assert_eq!(sum(10, 30).await, 22);
    assert_eq!(sum(11, 31).await, 22);
    assert_eq!(sum(20, 20).await, 0);
    assert_eq!(sum(30, 10).await, 0);
    store.delete_message(messages[0].id).await.unwrap();
    assert_eq!(sum(0, 99).await, 32);
    store.delete_chat(doomed).await.unwrap();
    assert_eq!(sum(0, 99).await, 2);
    let text = UserId::Text("7".to_owned());
    assert_eq!(
        all(store, &text).await,
        [row(0, Author::User, None, 3, 0, (300, false))]
    );
    assert_eq!(all(store, &UserId::Int(8)).await, []);
}

async fn a_sum_past_what_an_integer_holds_is_no_error(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = chat(&*store, user()).await;
    for _ in 0..2 {
        let message = counted(chat, 1, Author::User, i64::MAX, false);
        store.insert_message(&message).await.unwrap();
    }
    assert_eq!(
        all(&*store, &user()).await,
        [row(0, Author::User, None, 2, 0, (i64::MAX, false))]
    );
}
