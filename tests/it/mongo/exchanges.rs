//! Exchanges, of which MongoDB stores two documents without a transaction.

use std::time::Duration;

use colloquy::domain::{ClientKey, Message, ReplyState};
use colloquy::store::{
    ACTIVE_REPLIES_MAX, Asking, Begun, ChatStore, Claim, Exchange, MessageStore, ReplyStore, Written,
};
use futures_util::future::join_all;
use mongodb::bson::{Document, doc, oid};

use super::operations::{begin, complete, exchange, write, writing};
use super::recorder::Recorder;
use crate::support::make;
use crate::support::scratch::Scratch;

fn with_key(mut exchange: Exchange, key: &str) -> Exchange {
    if let Asking::New(prompt) = &mut exchange.asking {
        prompt.client_key = ClientKey::parse(key);
    }
    exchange
}

fn oid(id: colloquy::domain::ObjectId) -> oid::ObjectId {
    oid::ObjectId::from_bytes(id.bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_exchanges_from_two_servers_begin_eight_and_moments_rise_across_both() {
    let scratch = Scratch::mongo().await;
    let (one, _) = Recorder::open(&scratch).await;
    let (other, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    one.insert_chat(&chat).await.unwrap();
    for round in 1..=3 {
        let all = (0..40).map(|n| {
            let (store, chat) = (if n % 2 == 0 { &one } else { &other }, &chat);
            async move {
                write(store, make::message(chat.id)).await;
                store.begin_exchange(&exchange(chat, "us")).await.unwrap()
            }
        });
        let begun: Vec<_> = join_all(all).await;
        let replies: Vec<_> = begun
            .iter()
            .filter_map(|begun| match begun {
                Begun::Begun { reply, .. } => Some(reply.id),
                Begun::Full(_) => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(replies.len(), ACTIVE_REPLIES_MAX);
        let active = one.active_replies(&[chat.id]).await.unwrap();
        assert_eq!(active[&chat.id].len(), ACTIVE_REPLIES_MAX);

        let messages = make::all(&*one, chat.id).await;
        assert_eq!(messages.len(), round * (40 + 2 * ACTIVE_REPLIES_MAX));
        let moments: Vec<_> = messages.iter().map(|message| message.created_at).collect();
        assert!(moments.is_sorted_by(|one, other| one < other), "{moments:?}");
        for reply in messages.iter().filter(|message| message.reply.is_some()) {
            let asked = reply.reply.as_ref().unwrap().in_reply_to;
            let prompt = messages.iter().find(|message| Some(message.id) == asked).unwrap();
            assert_eq!(reply.created_at, prompt.created_at.plus_millis(1));
        }
        // What has ended makes room.
        for reply in replies {
            let outcome = complete("x");
            let finished = one.finish_reply(chat.id, reply, Claim::Alone, &outcome, None);
            finished.await.unwrap().unwrap();
        }
    }
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_refuse_company_one_begins() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let all = (0..20).map(|_| {
        let mut alone = exchange(&chat, "us");
        alone.others_max = 0;
        let store = store.clone();
        async move { store.begin_exchange(&alone).await.unwrap() }
    });
    let begun = join_all(all).await;
    let begun = begun.iter().filter(|begun| matches!(begun, Begun::Begun { .. }));
    assert_eq!(begun.count(), 1);
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_sendings_of_one_key_one_begins_and_the_others_join_it() {
    let scratch = Scratch::mongo().await;
    let (one, _) = Recorder::open(&scratch).await;
    let (other, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    one.insert_chat(&chat).await.unwrap();
    for round in 0..20 {
        let stores = [&one, &other].into_iter().cycle().take(8);
        let all = stores.map(|store| {
            let sent = with_key(exchange(&chat, "us"), &format!("key-{round}"));
            async move { store.begin_exchange(&sent).await.unwrap() }
        });
        let answers = join_all(all).await;
        let replies: Vec<_> = answers
            .iter()
            .map(|answer| match answer {
                Begun::Begun { reply, .. } => (true, reply.id),
                Begun::Joined { reply, .. } => (false, reply.as_ref().unwrap().id),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            replies.iter().filter(|(is_begun, _)| *is_begun).count(),
            1,
            "{replies:?}"
        );
        assert!(
            replies.iter().all(|(_, reply)| *reply == replies[0].1),
            "{replies:?}"
        );
        // Nothing is left of those that joined.
        assert_eq!(
            one.message_counts(&[chat.id]).await.unwrap()[&chat.id],
            2 * (round + 1)
        );
        let outcome = complete("x");
        let finished = one.finish_reply(chat.id, replies[0].1, Claim::Alone, &outcome, None);
        finished.await.unwrap().unwrap();
    }
    scratch.remove().await;
}

#[tokio::test]
async fn a_reply_that_was_stored_without_its_prompt_is_found_after_its_lease_and_can_be_removed() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let begun = Exchange {
        lease: Duration::ZERO,
        ..exchange(&chat, "us")
    };
    let (prompt, reply) = begin(&store, &begun).await;
    // As a server leaves it that dies between the two documents of its insert.
    store.delete_message(chat.id, prompt.unwrap().id).await.unwrap();
    let found = async || store.claimable_replies(Claim::Lapsed, 10).await.unwrap();
    while found().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(found().await, std::slice::from_ref(&reply));
    assert!(
        !store
            .remove_reply(chat.id, reply.id, Claim::Owner("them"))
            .await
            .unwrap()
    );
    assert!(
        store
            .remove_reply(chat.id, reply.id, Claim::Lapsed)
            .await
            .unwrap()
    );
    assert!(found().await.is_empty());
    scratch.remove().await;
}

#[tokio::test]
async fn what_is_refused_or_was_there_before_leaves_the_chat_where_it_was() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let sent = with_key(exchange(&chat, "us"), "key");
    begin(&store, &sent).await;
    let message = Message {
        client_key: make::key("another"),
        ..make::message(chat.id)
    };
    write(&store, message.clone()).await;
    let updated_at = async || store.chats(&[chat.id]).await.unwrap()[0].updated_at;
    let before = updated_at().await;
    let later = make::now().plus_millis(60_000);
    let mut joined = with_key(exchange(&chat, "them"), "key");
    let mut full = exchange(&chat, "us");
    full.others_max = 0;
    for sent in [&mut joined, &mut full] {
        if let Asking::New(prompt) = &mut sent.asking {
            prompt.created_at = later;
        }
        let begun = store.begin_exchange(sent).await.unwrap();
        assert!(
            matches!(begun, Begun::Joined { .. } | Begun::Full(_)),
            "{begun:?}"
        );
        assert_eq!(updated_at().await, before);
    }
    let resent = Message {
        id: colloquy::domain::MessageId(make::id()),
        created_at: later,
        ..message
    };
    let written = store.write_message(&writing(resent)).await.unwrap();
    assert!(matches!(written, Written::Existing(_)), "{written:?}");
    assert_eq!(updated_at().await, before);
    write(&store, make::message_at(chat.id, later.millis())).await;
    assert_eq!(updated_at().await, later);
    scratch.remove().await;
}

#[tokio::test]
async fn a_stop_that_was_noted_ends_a_reply_as_stopped_by_whom_it_was_noted_for() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    for is_noted in [true, false] {
        let (_, reply) = begin(&store, &exchange(&chat, "us")).await;
        if is_noted {
            store
                .request_stop(chat.id, reply.id, &make::stop(1))
                .await
                .unwrap();
        }
        let mut outcome = complete("text");
        outcome.stop = Some(make::stop(2));
        let ended = store.finish_reply(chat.id, reply.id, Claim::Alone, &outcome, None);
        let ended = ended.await.unwrap().unwrap().reply.unwrap();
        let expected = match is_noted {
            true => (ReplyState::Stopped, Some(make::stop(1))),
            false => (ReplyState::Complete, Some(make::stop(2))),
        };
        assert_eq!((ended.state, ended.stop), expected);
    }
    scratch.remove().await;
}

#[tokio::test]
async fn a_reply_of_an_unknown_state_is_passed_over() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let (prompt, reply) = begin(&store, &exchange(&chat, "us")).await;
    let messages = scratch.database().await.collection::<Document>("chat_messages");
    let (id, of_chat) = (oid::ObjectId::new(), oid(chat.id.0));
    let odd = [
        doc! { "_id": id, "chat_id": of_chat, "reply": { "state": "HALTED" }, "created_ts": "yesterday" },
        doc! { "_id": 7, "chat_id": of_chat, "reply": { "state": "STREAMING" } },
    ];
    messages.insert_many(odd).await.unwrap();
    let until = prompt.unwrap().position();
    let before = store
        .before_reply(chat.id, reply.id, until, super::operations::BOUNDS)
        .await;
    let before = before.unwrap().unwrap();
    assert!(before.earlier.is_empty());
    assert_eq!(before.history.len(), 2);
    assert_eq!(store.active_replies(&[chat.id]).await.unwrap()[&chat.id], [reply]);
    assert_eq!(store.claimable_replies(Claim::Alone, 10).await.unwrap().len(), 1);
    scratch.remove().await;
}
