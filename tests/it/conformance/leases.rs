//! A lease says whose a reply is. It is measured by the clock of the store, and looked at by the write that ends.

use std::time::Duration;

use colloquy::domain::{EndState, Message, MessageId, Timestamp};
use colloquy::store::{Begun, Checkpointed, Claim, Exchange, Store};

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

/// Longer than a test takes.
const LEASE: Duration = Duration::from_secs(600);

const HELD: Checkpointed = Checkpointed::Held {
    is_stop_requested: false,
};

on_every_store! {
    a_lease_begins_by_the_clock_of_the_store_whatever_the_message_says,
    an_exchange_that_is_begun_again_has_a_new_lease,
    an_owner_renews_a_lease_that_has_ended,
    a_checkpoint_that_comes_late_undoes_nothing,
    whoever_claims_a_lapsed_reply_gets_none_that_was_renewed,
    claimable_replies_come_in_the_order_of_their_leases,
}

/// A streaming reply that is stored, whose lease ended long ago.
async fn lapsed(store: &dyn Store, owner: &str, millis: i64) -> Message {
    let mut message = make::streaming(make::chat().id, owner);
    message.reply.as_mut().unwrap().lease_until = make::at(millis);
    store.insert_message(&message).await.unwrap();
    message
}

async fn lease_of(store: &dyn Store, id: MessageId) -> Timestamp {
    let message = store.messages(&[id]).await.unwrap().pop().unwrap();
    message.reply.unwrap().lease_until
}

async fn claimable(store: &dyn Store, claim: Claim<'_>, limit: usize) -> Vec<MessageId> {
    let replies = store.claimable_replies(claim, limit).await.unwrap();
    replies.into_iter().map(|message| message.id).collect()
}

async fn a_lease_begins_by_the_clock_of_the_store_whatever_the_message_says(scratch: &Scratch) {
    let store = scratch.open().await;
    let lease = i64::try_from(LEASE.as_millis()).unwrap();
    // A server whose clock stands still in the year 1970, and one that is a century ahead.
    for clock in [make::at(5), make::now().plus_millis(1000 * 3600 * 24 * 36_500)] {
        let chat = make::stored_chat(&*store).await;
        let mut exchange = Exchange {
            lease: LEASE,
            ..make::reply_to_stored(chat.id, "us")
        };
        let reply = &mut exchange.reply;
        (reply.created_at, reply.updated_at) = (clock, clock);
        reply.reply.as_mut().unwrap().lease_until = clock;
        let earliest = make::now().plus_millis(lease - 1);
        let begun = store.begin_exchange(&exchange).await.unwrap();
        let latest = make::now().plus_millis(lease + 1);
        assert!(matches!(begun, Begun::Begun { .. }), "{begun:?}");
        let until = lease_of(&*store, exchange.reply.id).await;
        assert!((earliest..=latest).contains(&until), "{until}");
    }
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, []);
}

async fn an_exchange_that_is_begun_again_has_a_new_lease(scratch: &Scratch) {
    let store = scratch.open().await;
    for make_of in [make::exchange, make::reply_to_stored] {
        let chat = make::stored_chat(&*store).await;
        let mut exchange = Exchange {
            lease: Duration::ZERO,
            ..make_of(chat.id, "us")
        };
        store.begin_exchange(&exchange).await.unwrap();
        let now = make::now();
        for lease in [LEASE, Duration::ZERO] {
            exchange.lease = lease;
            let begun = store.begin_exchange(&exchange).await.unwrap();
            let Begun::Begun { reply, .. } = begun else {
                panic!("{begun:?}");
            };
            let until = lease_of(&*store, exchange.reply.id).await;
            assert!(until > now.plus_millis(300_000), "{until}");
            assert_eq!(reply.reply.unwrap().lease_until, until);
        }
    }
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, []);
}

async fn an_owner_renews_a_lease_that_has_ended(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = lapsed(&*store, "us", 5).await;
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, [reply.id]);
    assert_eq!(
        store
            .checkpoint(reply.chat_id, reply.id, "us", "", LEASE)
            .await
            .unwrap(),
        HELD
    );
    assert!(lease_of(&*store, reply.id).await > make::now());
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, []);
}

async fn a_checkpoint_that_comes_late_undoes_nothing(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    assert_eq!(
        store
            .checkpoint(reply.chat_id, reply.id, "us", "नमस्ते दुनिया", LEASE)
            .await
            .unwrap(),
        HELD
    );
    let before = store.messages(&[reply.id]).await.unwrap();
    for late in ["", "नमस्ते"] {
        let told = store
            .checkpoint(reply.chat_id, reply.id, "us", late, Duration::ZERO)
            .await;
        assert_eq!(told.unwrap(), HELD);
        assert_eq!(store.messages(&[reply.id]).await.unwrap(), before);
    }
}

async fn whoever_claims_a_lapsed_reply_gets_none_that_was_renewed(scratch: &Scratch) {
    let store = scratch.open().await;
    let outcome = make::outcome(EndState::Interrupted, "x");
    let renewed = lapsed(&*store, "us", 5).await;
    // Between the look and the end.
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, [renewed.id]);
    assert_eq!(
        store
            .checkpoint(renewed.chat_id, renewed.id, "us", "", LEASE)
            .await
            .unwrap(),
        HELD
    );
    let ended = store
        .finish_reply(renewed.chat_id, renewed.id, Claim::Lapsed, &outcome, None)
        .await;
    assert_eq!(ended.unwrap(), None);
    assert_eq!(
        store
            .checkpoint(renewed.chat_id, renewed.id, "us", "", LEASE)
            .await
            .unwrap(),
        HELD
    );

    let dead = lapsed(&*store, "us", 5).await;
    let ended = store
        .finish_reply(dead.chat_id, dead.id, Claim::Lapsed, &outcome, None)
        .await;
    assert!(ended.unwrap().is_some());
    let told = store
        .checkpoint(dead.chat_id, dead.id, "us", "longer", LEASE)
        .await
        .unwrap();
    assert_eq!(told, Checkpointed::Lost);
}

async fn claimable_replies_come_in_the_order_of_their_leases(scratch: &Scratch) {
    let store = scratch.open().await;
    let (mut ids, mut chats) = (Vec::new(), Vec::new());
    for (millis, owner) in [(30, "us"), (10, "them"), (20, "us"), (5, "us")] {
        let reply = lapsed(&*store, owner, millis).await;
        ids.push(reply.id);
        chats.push(reply.chat_id);
    }
    let chat = make::stored_chat(&*store).await;
    let running = make::reply_to_stored(chat.id, "us");
    store.begin_exchange(&running).await.unwrap();
    let running = running.reply;
    store
        .insert_message(&make::message(running.chat_id))
        .await
        .unwrap();
    let outcome = make::outcome(EndState::Complete, "x");
    store
        .finish_reply(chats[3], ids[3], Claim::Alone, &outcome, None)
        .await
        .unwrap();

    assert_eq!(
        claimable(&*store, Claim::Lapsed, 9).await,
        [ids[1], ids[2], ids[0]]
    );
    assert_eq!(claimable(&*store, Claim::Lapsed, 2).await, [ids[1], ids[2]]);
    assert_eq!(claimable(&*store, Claim::Lapsed, 0).await, []);
    assert_eq!(
        claimable(&*store, Claim::Owner("us"), 9).await,
        [ids[2], ids[0], running.id]
    );
    assert_eq!(
        claimable(&*store, Claim::Alone, 9).await,
        [ids[1], ids[2], ids[0], running.id]
    );
    store
        .checkpoint(chats[1], ids[1], "them", "", LEASE)
        .await
        .unwrap();
    assert_eq!(claimable(&*store, Claim::Lapsed, 1).await, [ids[2]]);
}
