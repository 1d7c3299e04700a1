//! Messages are kept as they were given, changed, counted, and stored once for each client key.

use std::collections::{HashMap, HashSet};

use colloquy::domain::{
    Author, ClientKey, Message, MessageChange, MessageId, Reply, ReplyError, ReplyState, TokenCount, Usage,
};
use colloquy::store::Inserted;
use futures_util::future::join_all;

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    a_message_reads_back_exactly_as_it_was_written,
    messages_that_do_not_exist_are_absent,
    an_edit_changes_the_text_and_marks_it,
    a_reaction_is_given_replaced_and_taken_away,
    a_change_never_moves_a_message_back_in_time,
    fifty_equal_sends_store_one_message,
    a_client_key_belongs_to_its_chat_alone,
    the_last_message_the_count_and_the_tokens_are_those_of_each_chat,
}

async fn a_message_reads_back_exactly_as_it_was_written(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let long = "क्षत्रिय 👩‍👩‍👧\r\n".repeat(20_000);
    let texts = [
        "x",
        "नमस्ते दुनिया",
        " \t\n",
        "nul \u{0} inside",
        "\u{10ffff}\u{feff}",
        &long,
    ];
    let tokens = [
        None,
        Some(0),
        Some(7),
        Some(-1),
        Some(i64::from(i32::MAX) + 1),
        Some(i64::MAX),
    ];
    let mut messages = Vec::new();
    for (n, text) in texts.into_iter().enumerate() {
        messages.push(Message {
            text: text.to_owned(),
            author: Author::from_is_bot(n % 2 == 1),
            kind: ["text", "image", "प्रश्न"][n % 3].to_owned(),
            reaction: (n % 2 == 0).then(|| "👍🏽".to_owned()),
            token_count: tokens[n].map(|tokens| TokenCount {
                tokens,
                is_estimated: n % 2 == 0,
            }),
            is_edited: n % 3 == 0,
            citation: (n % 3 == 1).then(|| "document + ai".to_owned()),
            created_at: make::at(n as i64 - 2),
            updated_at: make::at(1_732_460_400_123),
            client_key: make::key(&format!("key-{n}")).filter(|_| n % 2 == 0),
            reply_id: (n % 3 == 1).then(|| MessageId(make::id())),
            ..make::message(chat.id)
        });
    }
    for state in ReplyState::ALL {
        messages.push(reply_in_full(make::streaming(chat.id, "owner-1"), state));
        messages.push(Message {
            text: "partial".to_owned(),
            ..make::streaming(chat.id, "")
        });
    }
    for message in &messages {
        assert_eq!(store.insert_message(message).await.unwrap(), Inserted::New);
    }
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    let mut read = store.messages(&ids).await.unwrap();
    read.sort_by_key(|message| message.id);
    assert_eq!(read, messages);
}

fn reply_in_full(message: Message, state: ReplyState) -> Message {
    let count = |tokens, is_estimated| TokenCount { tokens, is_estimated };
    let reply = message.reply.map(|reply| Reply {
        state,
        in_reply_to: Some(MessageId(make::id())),
        stop: Some(make::stop(5)),
        regenerates: Some(MessageId(make::id())),
        model: Some("मॉडल-1".to_owned()),
        usage: Some(Usage {
            prompt: count(5_000_000_000, true),
            completion: count(0, false),
        }),
        started_at: Some(make::at(1)),
        first_piece_at: Some(make::at(2)),
        upstream_closed_at: Some(make::at(3)),
        finished_at: Some(make::at(3)),
        overhead_us: Some(7_000_000_000),
        reasoning: Some("सोच".to_owned()),
        error: Some(ReplyError {
            code: "UPSTREAM_FAILED".to_owned(),
            message: "असफल".to_owned(),
        }),
        ..reply
    });
    Message { reply, ..message }
}

async fn messages_that_do_not_exist_are_absent(scratch: &Scratch) {
    let store = scratch.open().await;
    let nobody = MessageId(make::id());
    assert_eq!(store.messages(&[]).await.unwrap(), []);
    assert_eq!(store.messages(&[nobody]).await.unwrap(), []);
    let change = MessageChange {
        text: Some("ghost".to_owned()),
        ..MessageChange::default()
    };
    assert_eq!(
        store
            .update_message(make::chat().id, nobody, &change, make::now())
            .await
            .unwrap(),
        None
    );
    assert_eq!(store.messages(&[nobody]).await.unwrap(), []);
    let key = ClientKey::parse("k").unwrap();
    assert_eq!(store.message_of_key(make::chat().id, &key).await.unwrap(), None);
    assert!(store.message_counts(&[]).await.unwrap().is_empty());
    assert!(store.last_messages(&[make::chat().id]).await.unwrap().is_empty());
}

async fn an_edit_changes_the_text_and_marks_it(scratch: &Scratch) {
    let store = scratch.open().await;
    let message = Message {
        token_count: make::tokens(3),
        client_key: make::key("k"),
        ..make::message(make::chat().id)
    };
    store.insert_message(&message).await.unwrap();
    let change = MessageChange {
        text: Some("नया पाठ".to_owned()),
        token_count: Some(TokenCount {
            tokens: 4,
            is_estimated: true,
        }),
        is_edited: Some(true),
        reaction: None,
    };
    let later = message.updated_at.plus_millis(9);
    let expected = Message {
        text: "नया पाठ".to_owned(),
        token_count: change.token_count,
        is_edited: true,
        updated_at: later,
        ..message.clone()
    };
    let changed = store
        .update_message(message.chat_id, message.id, &change, later)
        .await
        .unwrap();
    assert_eq!(changed.as_ref(), Some(&expected));
    assert_eq!(store.messages(&[message.id]).await.unwrap(), [expected]);
}

async fn a_reaction_is_given_replaced_and_taken_away(scratch: &Scratch) {
    let store = scratch.open().await;
    let message = make::message(make::chat().id);
    store.insert_message(&message).await.unwrap();
    for reaction in [Some("👍"), Some("❤️"), None, None, Some("x")] {
        let change = MessageChange {
            reaction: Some(reaction.map(str::to_owned)),
            ..MessageChange::default()
        };
        let changed = store
            .update_message(message.chat_id, message.id, &change, message.updated_at)
            .await
            .unwrap();
        let expected = Message {
            reaction: reaction.map(str::to_owned),
            ..message.clone()
        };
        assert_eq!(changed.as_ref(), Some(&expected));
        let untouched = MessageChange::default();
        let unchanged = store
            .update_message(message.chat_id, message.id, &untouched, message.updated_at)
            .await
            .unwrap();
        assert_eq!(unchanged, Some(expected));
    }
}

async fn a_change_never_moves_a_message_back_in_time(scratch: &Scratch) {
    let store = scratch.open().await;
    let message = make::message(make::chat().id);
    store.insert_message(&message).await.unwrap();
    let earlier = message.updated_at.plus_millis(-1);
    let changed = store
        .update_message(message.chat_id, message.id, &MessageChange::default(), earlier)
        .await
        .unwrap();
    assert_eq!(changed, Some(message));
}

async fn fifty_equal_sends_store_one_message(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    for round in 0..4 {
        let sendings: Vec<_> = (0..50)
            .map(|_| Message {
                client_key: make::key(&format!("round-{round}")),
                ..make::message(chat.id)
            })
            .collect();
        let results = join_all(sendings.iter().map(|message| {
            let (store, message) = (store.clone(), message.clone());
            tokio::spawn(async move { (message.id, store.insert_message(&message).await.unwrap()) })
        }));
        let mut new = Vec::new();
        let mut found = HashSet::new();
        for result in results.await {
            match result.unwrap() {
                (id, Inserted::New) => new.push(id),
                (_, Inserted::Existing(message)) => {
                    assert!(sendings.contains(&message));
                    found.insert(message.id);
                }
            }
        }
        assert_eq!(new.len(), 1, "round {round}");
        assert_eq!(found, HashSet::from([new[0]]));
        assert_eq!(
            store.message_counts(&[chat.id]).await.unwrap()[&chat.id],
            round + 1
        );
    }
}

async fn a_client_key_belongs_to_its_chat_alone(scratch: &Scratch) {
    let store = scratch.open().await;
    let (one, other) = (make::chat().id, make::chat().id);
    let message = |chat| Message {
        client_key: make::key("same"),
        ..make::message(chat)
    };
    let (first, second) = (message(one), message(other));
    assert_eq!(store.insert_message(&first).await.unwrap(), Inserted::New);
    assert_eq!(store.insert_message(&second).await.unwrap(), Inserted::New);
    let again = store.insert_message(&message(one)).await.unwrap();
    assert_eq!(again, Inserted::Existing(Box::new(first.clone())));
    let key = ClientKey::parse("same").unwrap();
    assert_eq!(
        store.message_of_key(one, &key).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(
        store.message_of_key(other, &key).await.unwrap(),
        Some(second.clone())
    );
    // An attempt whose outcome its caller was not told, repeated as it was.
    assert_eq!(store.insert_message(&first).await.unwrap(), Inserted::New);
    // Messages without a key never meet.
    for _ in 0..2 {
        assert_eq!(
            store.insert_message(&make::message(one)).await.unwrap(),
            Inserted::New
        );
    }
    assert_eq!(
        store.message_counts(&[one, other]).await.unwrap(),
        HashMap::from([(one, 3), (other, 1)])
    );
}

async fn the_last_message_the_count_and_the_tokens_are_those_of_each_chat(scratch: &Scratch) {
    let store = scratch.open().await;
    let (full, single, empty) = (make::chat().id, make::chat().id, make::chat().id);
    let mut messages: Vec<_> = [5, 9, 9, 1, 7]
        .map(|millis| make::message_at(full, millis))
        .into();
    for (message, tokens) in messages
        .iter_mut()
        .zip([Some(1), None, Some(20), Some(300), None])
    {
        message.token_count = tokens.map(TokenCount::reported);
    }
    let alone = make::message_at(single, 3);
    for message in messages.iter().chain([&alone]) {
        store.insert_message(message).await.unwrap();
    }
    let chats = [full, single, empty];
    // Of the two that share the greatest time, the one with the greater id.
    let last = HashMap::from([(full, messages[2].clone()), (single, alone)]);
    assert_eq!(store.last_messages(&chats).await.unwrap(), last);
    let counts = store.message_counts(&chats).await.unwrap();
    assert_eq!(
        chats.map(|chat| counts.get(&chat).copied().unwrap_or(0)),
        [5, 1, 0]
    );
    let tokens = store.token_counts(&chats).await.unwrap();
    assert_eq!(
        chats.map(|chat| tokens.get(&chat).copied().unwrap_or(0)),
        [321, 0, 0]
    );
}
