//! The three stores answer random sequences of calls alike. Moments and leases that a store's own clock decides are not
//! compared; the order of messages is.

mod answers;
mod drawing;

use std::time::Duration;

use colloquy::domain::{
    Bill, Chat, ChatChange, ChatFilter, ChatId, Message, MessageChange, MessageFilter, MessageId, ObjectId,
    ReplyOutcome, SearchScope, Slice, StopRequest, Timestamp, UserId,
};
use colloquy::store::{Claim, Exchange, Writing};

use self::answers::Compared;
use self::drawing::Drawing;
use crate::support::make;
use crate::support::scratch::Scratch;

const SEEDS: u64 = 8;
/// When the calls begin: ahead of every clock, since no store gives out moments far behind its own.
const BEGIN_MS: i64 = 2_000_000_000_000;
const CALLS: usize = 120;
const CHATS: u8 = 3;

/// Answers that come up in some seed, or the calls are not worth much.
const KINDS: [&str; 9] = [
    "Begun",
    "Joined",
    "KeyReused",
    "Full",
    "NoChat",
    "New",
    "Existing",
    "Held",
    "an error",
];

/// One call of a store. Messages and chats are named by their ids, and places in a list by the message there.
#[derive(Clone, Debug)]
enum Call {
    Chats,
    ChatPage(ChatFilter, Request),
    ChatSlice(Slice),
    UpdateChat(ChatId, ChatChange, Timestamp),
    DeleteChat(ChatId),
    Write(Writing),
    Insert(Message),
    OfKey(ChatId, &'static str),
    Messages,
    MessagePages(MessageFilter, Request),
    MessageSlice(ChatId, Slice),
    LastAndCounts,
    UpdateMessage(ChatId, MessageId, MessageChange, Timestamp),
    DeleteMessage(ChatId, MessageId),
    Begin(Box<Exchange>),
    BeforeReply(ChatId, MessageId, MessageId),
    Checkpoint(ChatId, MessageId, &'static str, String, Duration),
    Stop(ChatId, MessageId, StopRequest),
    Finish(ChatId, MessageId, Claim<'static>, ReplyOutcome, Option<Bill>),
    Claimable(Claim<'static>, usize),
    Remove(ChatId, MessageId, Claim<'static>),
    Active,
    Search(SearchScope, &'static str),
    Usage,
}

/// A page, between the places of two messages or chats.
#[derive(Clone, Copy, Debug)]
struct Request {
    size: usize,
    backward: bool,
    after: Option<ObjectId>,
    before: Option<ObjectId>,
}

fn user() -> UserId {
    UserId::Int(7)
}

fn chat_of(seed: u64, n: u8) -> Chat {
    let mut id = [n; 12];
    id[..8].copy_from_slice(&seed.to_be_bytes());
    Chat {
        id: ChatId(ObjectId::from_bytes(id)),
        user_id: user(),
        created_at: make::at(BEGIN_MS),
        updated_at: make::at(BEGIN_MS + i64::from(n)),
        ..make::chat()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_stores_answer_random_calls_alike() {
    let places = [
        Scratch::memory().await,
        Scratch::embedded().await,
        Scratch::mongo().await,
    ];
    let mut stores = Vec::new();
    for place in &places {
        stores.push(place.open().await);
    }
    let mut answered = Vec::new();
    for seed in 1..=SEEDS {
        let mut drawing = Drawing::new(seed);
        for store in &stores {
            for n in 0..CHATS {
                store.insert_chat(&chat_of(seed, n)).await.unwrap();
            }
        }
        let mut calls = Vec::new();
        for n in 0..CALLS {
            let call = drawing.call();
            calls.push(format!("{n}: {call:?}"));
            let mut answers = Vec::new();
            for store in &stores {
                let compared = Compared {
                    store: &**store,
                    chats: &drawing.chats,
                    messages: &drawing.messages,
                };
                answers.push(compared.answer(&call).await);
            }
            assert!(
                answers.iter().all(|answer| *answer == answers[0]),
                "seed {seed}:\n{}\nin memory: {}\nembedded:  {}\nMongoDB:   {}",
                calls.join("\n"),
                answers[0],
                answers[1],
                answers[2]
            );
            answered.extend(answers.pop());
        }
        // The next seed begins with nothing: claims reach over all chats.
        for store in &stores {
            for chat in &drawing.chats {
                store.delete_chat(*chat).await.unwrap();
            }
            while store.sweep_deleted(100).await.unwrap().is_some() {}
        }
    }
    for kind in KINDS {
        let is_seen = answered.iter().any(|answer| answer.starts_with(kind));
        assert!(is_seen, "no answer was {kind}");
    }
    drop(stores);
    for place in places {
        place.remove().await;
    }
}
