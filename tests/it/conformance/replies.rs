//! A reply's text grows by its owner's checkpoints, and ends once.

use std::time::Duration;

use colloquy::domain::{
    Message, MessageChange, MessageId, Reply, ReplyError, ReplyOutcome, ReplyState, StopRequest, TokenCount,
    Usage, UserId,
};
use colloquy::store::{Checkpointed, Claim};
use futures_util::future::join_all;

use crate::on_both_stores;
use crate::support::make;
use crate::support::scratch::Scratch;

const HELD: Checkpointed = Checkpointed::Held {
    is_stop_requested: false,
};

/// Longer than a test takes.
const LEASE: Duration = Duration::from_secs(600);

on_both_stores! {
    a_checkpoint_stores_the_text_for_the_owner_alone,
    an_edit_of_a_growing_text_is_seen_until_a_longer_one_comes,
    a_request_to_stop_is_noted_once_and_told_with_the_next_checkpoint,
    every_end_is_stored_whole_and_stays,
    an_end_without_text_keeps_the_last_checkpoint,
    only_the_expected_owner_ends_a_reply,
    the_wish_that_ends_a_reply_does_not_replace_one_that_was_noted,
    of_twenty_who_end_a_reply_one_does,
    the_active_reply_of_a_chat_is_its_oldest,
}

async fn a_checkpoint_stores_the_text_for_the_owner_alone(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    // A lease never becomes shorter, so this one stays as it is.
    let lease = Duration::ZERO;
    // A database that took the text for an expression would say otherwise.
    let text = "$owner {\"$add\": 1} नम";
    assert_eq!(store.checkpoint(reply.id, "us", text, lease).await.unwrap(), HELD);
    let expected = Message {
        text: text.to_owned(),
        ..reply.clone()
    };
    assert_eq!(
        store.messages(&[reply.id]).await.unwrap(),
        std::slice::from_ref(&expected)
    );

    assert_eq!(
        store.checkpoint(reply.id, "them", "no", lease).await.unwrap(),
        Checkpointed::Lost
    );
    let nobody = MessageId(make::id());
    assert_eq!(
        store.checkpoint(nobody, "us", "no", lease).await.unwrap(),
        Checkpointed::Lost
    );
    assert_eq!(store.messages(&[reply.id, nobody]).await.unwrap(), [expected]);
}

async fn an_edit_of_a_growing_text_is_seen_until_a_longer_one_comes(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    let text = async || store.messages(&[reply.id]).await.unwrap().remove(0).text;
    let checkpoint = async |text| {
        store
            .checkpoint(reply.id, "us", text, Duration::ZERO)
            .await
            .unwrap()
    };
    checkpoint("The sea is").await;
    let edit = MessageChange {
        text: Some("The sea is blue".to_owned()),
        ..MessageChange::default()
    };
    let edited = store.update_message(reply.id, &edit, make::now()).await.unwrap();
    assert_eq!(edited.unwrap().text, "The sea is blue");
    checkpoint("The sea is w").await;
    assert_eq!(text().await, "The sea is blue");
    checkpoint("The sea is wide and").await;
    assert_eq!(text().await, "The sea is wide and");
    let outcome = ReplyOutcome::bare(ReplyState::Interrupted, make::now());
    let ended = store
        .finish_reply(reply.id, Claim::Alone, &outcome)
        .await
        .unwrap();
    assert_eq!(ended.unwrap().text, "The sea is wide and");
    assert_eq!(text().await, "The sea is wide and");
}

async fn a_request_to_stop_is_noted_once_and_told_with_the_next_checkpoint(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    let stop = |message: Option<Message>| message.unwrap().reply.unwrap().stop;
    let noted = store.request_stop(reply.id, &make::stop(5)).await.unwrap();
    assert_eq!(stop(noted), Some(make::stop(5)));
    let later = StopRequest {
        by: UserId::Int(9),
        ..make::stop(9)
    };
    let again = store.request_stop(reply.id, &later).await.unwrap();
    assert_eq!(stop(again), Some(make::stop(5)));
    let told = store.checkpoint(reply.id, "us", "x", LEASE).await.unwrap();
    let expected = Checkpointed::Held {
        is_stop_requested: true,
    };
    assert_eq!(told, expected);

    let ended = make::streaming(make::chat().id, "us");
    store.insert_message(&ended).await.unwrap();
    let complete = make::outcome(ReplyState::Complete, "all");
    let ended = store
        .finish_reply(ended.id, Claim::Alone, &complete)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store.request_stop(ended.id, &make::stop(9)).await.unwrap(),
        Some(ended)
    );
    assert_eq!(
        store
            .request_stop(MessageId(make::id()), &make::stop(9))
            .await
            .unwrap(),
        None
    );
}

async fn every_end_is_stored_whole_and_stays(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat().id;
    for state in ReplyState::ALL.into_iter().filter(|state| state.is_final()) {
        let reply = make::streaming(chat, "us");
        store.insert_message(&reply).await.unwrap();
        let outcome = outcome_in_full(state, &reply);
        let expected = Message {
            text: "पूरा".to_owned(),
            token_count: make::tokens(7),
            updated_at: outcome.finished_at,
            reply: reply.reply.clone().map(|reply| Reply {
                state,
                usage: outcome.usage,
                started_at: outcome.started_at,
                first_piece_at: outcome.first_piece_at,
                upstream_closed_at: outcome.upstream_closed_at,
                overhead_us: outcome.overhead_us,
                reasoning: outcome.reasoning.clone(),
                finished_at: Some(outcome.finished_at),
                error: outcome.error.clone(),
                ..reply
            }),
            ..reply.clone()
        };
        let ended = store
            .finish_reply(reply.id, Claim::Owner("us"), &outcome)
            .await
            .unwrap();
        assert_eq!(ended.as_ref(), Some(&expected));
        let other = make::outcome(ReplyState::Failed, "other");
        assert_eq!(
            store.finish_reply(reply.id, Claim::Alone, &other).await.unwrap(),
            None
        );
        let late = store
            .checkpoint(reply.id, "us", "late and long", LEASE)
            .await
            .unwrap();
        assert_eq!(late, Checkpointed::Lost);
        assert_eq!(store.messages(&[reply.id]).await.unwrap(), [expected]);
    }
    let nobody = MessageId(make::id());
    let outcome = make::outcome(ReplyState::Complete, "x");
    assert_eq!(
        store.finish_reply(nobody, Claim::Alone, &outcome).await.unwrap(),
        None
    );
}

fn outcome_in_full(state: ReplyState, reply: &Message) -> ReplyOutcome {
    let count = |tokens, is_estimated| TokenCount { tokens, is_estimated };
    ReplyOutcome {
        usage: Some(Usage {
            prompt: count(30, true),
            completion: count(7, false),
        }),
        started_at: Some(make::at(1)),
        first_piece_at: Some(make::at(2)),
        upstream_closed_at: Some(make::at(3)),
        overhead_us: Some(4),
        reasoning: Some("सोच".to_owned()),
        finished_at: reply.updated_at.plus_millis(3),
        error: Some(ReplyError {
            code: "UPSTREAM_FAILED".to_owned(),
            message: "The bot failed.".to_owned(),
        }),
        ..make::outcome(state, "पूरा")
    }
}

async fn an_end_without_text_keeps_the_last_checkpoint(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    store.checkpoint(reply.id, "us", "so far", LEASE).await.unwrap();
    let outcome = ReplyOutcome {
        text: None,
        ..make::outcome(ReplyState::Interrupted, "")
    };
    let ended = store
        .finish_reply(reply.id, Claim::Alone, &outcome)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((ended.text.as_str(), ended.token_count), ("so far", None));
}

async fn only_the_expected_owner_ends_a_reply(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    let outcome = make::outcome(ReplyState::Complete, "x");
    assert_eq!(
        store
            .finish_reply(reply.id, Claim::Owner("them"), &outcome)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store.messages(&[reply.id]).await.unwrap(),
        std::slice::from_ref(&reply)
    );
    assert!(
        store
            .finish_reply(reply.id, Claim::Owner("us"), &outcome)
            .await
            .unwrap()
            .is_some()
    );
}

async fn the_wish_that_ends_a_reply_does_not_replace_one_that_was_noted(scratch: &Scratch) {
    let store = scratch.open().await;
    let outcome = ReplyOutcome {
        stop: Some(make::stop(9)),
        ..make::outcome(ReplyState::Stopped, "x")
    };
    for noted in [None, Some(make::stop(5))] {
        let reply = make::streaming(make::chat().id, "us");
        store.insert_message(&reply).await.unwrap();
        if let Some(noted) = &noted {
            store.request_stop(reply.id, noted).await.unwrap();
        }
        let ended = store
            .finish_reply(reply.id, Claim::Owner("us"), &outcome)
            .await
            .unwrap();
        let stop = ended.unwrap().reply.unwrap().stop;
        assert_eq!(stop, noted.or(Some(make::stop(9))));
        assert_eq!(
            store
                .finish_reply(reply.id, Claim::Owner("us"), &outcome)
                .await
                .unwrap(),
            None
        );
    }
}

async fn of_twenty_who_end_a_reply_one_does(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    let rivals = (0..20).map(|n| {
        let (store, id) = (store.clone(), reply.id);
        let outcome = make::outcome(ReplyState::Stopped, &format!("text {n}"));
        tokio::spawn(async move { store.finish_reply(id, Claim::Alone, &outcome).await.unwrap() })
    });
    let ended = join_all(rivals).await.into_iter().filter_map(Result::unwrap);
    let winners: Vec<_> = ended.collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(store.messages(&[reply.id]).await.unwrap(), winners);
}

async fn the_active_reply_of_a_chat_is_its_oldest(scratch: &Scratch) {
    let store = scratch.open().await;
    let (busy, idle, other) = (make::chat().id, make::chat().id, make::chat().id);
    let reply_at = |chat, millis| Message {
        created_at: make::at(millis),
        updated_at: make::at(millis),
        ..make::streaming(chat, "us")
    };
    let (second, first, lone) = (reply_at(busy, 9), reply_at(busy, 4), reply_at(other, 7));
    for message in [&second, &first, &lone] {
        store.insert_message(message).await.unwrap();
    }
    store.insert_message(&make::message_at(idle, 1)).await.unwrap();
    let mut active = store.active_replies(&[busy, idle, other]).await.unwrap();
    assert_eq!(active.remove(&busy), Some(first.clone()));
    assert_eq!(active.remove(&other), Some(lone));
    assert!(active.is_empty());

    let ended = make::outcome(ReplyState::Stopped, "");
    store.finish_reply(first.id, Claim::Alone, &ended).await.unwrap();
    assert_eq!(
        store.active_replies(&[busy]).await.unwrap().remove(&busy),
        Some(second)
    );
}
