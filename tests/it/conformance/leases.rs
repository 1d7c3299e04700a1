//! A lease says whose a reply is. It is measured by the clock of the store, and looked at by the write that ends.

use std::time::Duration;

use colloquy::domain::{Message, MessageId, ReplyState, Timestamp};
use colloquy::store::{Checkpointed, Claim, Inserted, Store, StoreError};
use futures_util::future::join_all;

use crate::on_both_stores;
use crate::support::make;
use crate::support::scratch::Scratch;

/// Longer than a test takes.
const LEASE: Duration = Duration::from_secs(600);

const HELD: Checkpointed = Checkpointed::Held {
    is_stop_requested: false,
};

on_both_stores! {
    a_lease_begins_by_the_clock_of_the_store_whatever_the_message_says,
    a_reply_begins_once,
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
        let mut message = make::streaming(make::chat().id, "us");
        message.created_at = clock;
        message.updated_at = clock;
        message.reply.as_mut().unwrap().lease_until = clock;
        let earliest = make::now().plus_millis(lease - 1);
        assert_eq!(store.begin_reply(&message, LEASE).await.unwrap(), Inserted::New);
        let latest = make::now().plus_millis(lease + 1);
        let mut stored = store.messages(&[message.id]).await.unwrap();
        let until = stored[0].reply.as_ref().unwrap().lease_until;
        assert!((earliest..=latest).contains(&until), "{until}");
        stored[0].reply.as_mut().unwrap().lease_until = clock;
        assert_eq!(stored, [message]);
    }
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, []);
}

async fn a_reply_begins_once(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = Message {
        client_key: make::key("key"),
        ..make::streaming(make::chat().id, "us")
    };
    let rivals = (0..20).map(|_| {
        let (store, rival) = (
            store.clone(),
            Message {
                id: MessageId(make::id()),
                ..reply.clone()
            },
        );
        tokio::spawn(async move { store.begin_reply(&rival, LEASE).await.unwrap() })
    });
    let begun: Vec<_> = join_all(rivals).await.into_iter().map(Result::unwrap).collect();
    let new = begun.iter().filter(|begun| **begun == Inserted::New);
    assert_eq!(new.count(), 1);

    let reply = make::streaming(make::chat().id, "us");
    assert_eq!(store.begin_reply(&reply, LEASE).await.unwrap(), Inserted::New);
    let stored = store.messages(&[reply.id]).await.unwrap().pop().unwrap();
    // An attempt whose outcome its caller was not told, repeated as it was.
    assert_eq!(store.begin_reply(&reply, LEASE).await.unwrap(), Inserted::New);
    // The same reply, for a prompt that was sent again.
    let again = Message {
        created_at: reply.created_at.plus_millis(9),
        ..make::streaming(reply.chat_id, "them")
    };
    let again = Message {
        id: reply.id,
        ..again
    };
    let found = Inserted::Existing(Box::new(stored.clone()));
    assert_eq!(store.begin_reply(&again, LEASE).await.unwrap(), found);
    assert_eq!(store.messages(&[reply.id]).await.unwrap(), [stored]);

    let message = make::message(reply.chat_id);
    store.insert_message(&message).await.unwrap();
    let stranger = Message {
        id: message.id,
        ..again
    };
    let refused = store.begin_reply(&stranger, LEASE).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert_eq!(store.messages(&[message.id]).await.unwrap(), [message]);
}

async fn an_owner_renews_a_lease_that_has_ended(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = lapsed(&*store, "us", 5).await;
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, [reply.id]);
    assert_eq!(store.checkpoint(reply.id, "us", "", LEASE).await.unwrap(), HELD);
    assert!(lease_of(&*store, reply.id).await > make::now());
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, []);
}

async fn a_checkpoint_that_comes_late_undoes_nothing(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    assert_eq!(
        store
            .checkpoint(reply.id, "us", "नमस्ते दुनिया", LEASE)
            .await
            .unwrap(),
        HELD
    );
    let before = store.messages(&[reply.id]).await.unwrap();
    for late in ["", "नमस्ते"] {
        let told = store.checkpoint(reply.id, "us", late, Duration::ZERO).await;
        assert_eq!(told.unwrap(), HELD);
        assert_eq!(store.messages(&[reply.id]).await.unwrap(), before);
    }
}

async fn whoever_claims_a_lapsed_reply_gets_none_that_was_renewed(scratch: &Scratch) {
    let store = scratch.open().await;
    let outcome = make::outcome(ReplyState::Interrupted, "x");
    let renewed = lapsed(&*store, "us", 5).await;
    // Between the look and the end.
    assert_eq!(claimable(&*store, Claim::Lapsed, 9).await, [renewed.id]);
    assert_eq!(store.checkpoint(renewed.id, "us", "", LEASE).await.unwrap(), HELD);
    let ended = store.finish_reply(renewed.id, Claim::Lapsed, &outcome).await;
    assert_eq!(ended.unwrap(), None);
    assert_eq!(store.checkpoint(renewed.id, "us", "", LEASE).await.unwrap(), HELD);

    let dead = lapsed(&*store, "us", 5).await;
    let ended = store.finish_reply(dead.id, Claim::Lapsed, &outcome).await;
    assert!(ended.unwrap().is_some());
    let told = store.checkpoint(dead.id, "us", "longer", LEASE).await.unwrap();
    assert_eq!(told, Checkpointed::Lost);
}

async fn claimable_replies_come_in_the_order_of_their_leases(scratch: &Scratch) {
    let store = scratch.open().await;
    let mut ids = Vec::new();
    for (millis, owner) in [(30, "us"), (10, "them"), (20, "us"), (5, "us")] {
        ids.push(lapsed(&*store, owner, millis).await.id);
    }
    let running = make::streaming(make::chat().id, "us");
    store.begin_reply(&running, LEASE).await.unwrap();
    store
        .insert_message(&make::message(running.chat_id))
        .await
        .unwrap();
    let outcome = make::outcome(ReplyState::Complete, "x");
    store.finish_reply(ids[3], Claim::Alone, &outcome).await.unwrap();

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
    store.checkpoint(ids[1], "them", "", LEASE).await.unwrap();
    assert_eq!(claimable(&*store, Claim::Lapsed, 1).await, [ids[2]]);
}
