//! A reply's text grows by its owner's checkpoints, and ends once.

use std::time::Duration;

use colloquy::domain::{
    EndState, Message, MessageChange, MessageId, Reply, ReplyError, ReplyOutcome, ReplyState, StopRequest,
    TokenCount, Usage, UserId,
};
use colloquy::store::{Checkpointed, Claim};
use futures_util::future::join_all;

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

const HELD: Checkpointed = Checkpointed::Held {
    is_stop_requested: false,
};

/// Longer than a test takes.
const LEASE: Duration = Duration::from_secs(600);

on_every_store! {
    a_checkpoint_stores_the_text_for_the_owner_alone,
    an_edit_of_a_growing_text_is_seen_until_a_longer_one_comes,
    a_request_to_stop_is_noted_once_and_told_with_the_next_checkpoint,
    every_end_is_stored_whole_and_stays,
    an_end_without_text_keeps_the_last_checkpoint,
    only_the_expected_owner_ends_a_reply,
    a_reply_that_was_stopped_before_it_failed_has_no_error,
    the_wish_that_ends_a_reply_does_not_replace_one_that_was_noted,
    of_twenty_who_end_a_reply_one_does,
    a_stop_that_was_noted_decides_the_end_whoever_closes_the_reply,
    the_active_replies_of_a_chat_come_in_their_order,
    a_streaming_reply_is_removed_by_whom_the_claim_allows,
    nothing_is_changed_by_way_of_another_chat,
}

async fn a_checkpoint_stores_the_text_for_the_owner_alone(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    // A lease never becomes shorter, so this one stays as it is.
    let lease = Duration::ZERO;
    // A database that took the text for an expression would say otherwise.
    let text = "$owner {\"$add\": 1} नम";
    assert_eq!(
        store
            .checkpoint(reply.chat_id, reply.id, "us", text, lease)
            .await
            .unwrap(),
        HELD
    );
    let expected = Message {
        text: text.to_owned(),
        ..reply.clone()
    };
    assert_eq!(
        store.messages(&[reply.id]).await.unwrap(),
        std::slice::from_ref(&expected)
    );

    assert_eq!(
        store
            .checkpoint(reply.chat_id, reply.id, "them", "no", lease)
            .await
            .unwrap(),
        Checkpointed::Lost
    );
    let nobody = MessageId(make::id());
    assert_eq!(
        store
            .checkpoint(reply.chat_id, nobody, "us", "no", lease)
            .await
            .unwrap(),
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
            .checkpoint(reply.chat_id, reply.id, "us", text, Duration::ZERO)
            .await
            .unwrap()
    };
    checkpoint("The sea is").await;
    let edit = MessageChange {
        text: Some("The sea is blue".to_owned()),
        ..MessageChange::default()
    };
    let edited = store
        .update_message(reply.chat_id, reply.id, &edit, make::now())
        .await
        .unwrap();
    assert_eq!(edited.unwrap().text, "The sea is blue");
    checkpoint("The sea is w").await;
    assert_eq!(text().await, "The sea is blue");
    checkpoint("The sea is wide and").await;
    assert_eq!(text().await, "The sea is wide and");
    let outcome = ReplyOutcome::bare(EndState::Interrupted, make::now());
    let ended = store
        .finish_reply(reply.chat_id, reply.id, Claim::Alone, &outcome, None)
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
    let noted = store
        .request_stop(reply.chat_id, reply.id, &make::stop(5))
        .await
        .unwrap();
    assert_eq!(stop(noted), Some(make::stop(5)));
    let later = StopRequest {
        by: UserId::Int(9),
        ..make::stop(9)
    };
    let again = store.request_stop(reply.chat_id, reply.id, &later).await.unwrap();
    assert_eq!(stop(again), Some(make::stop(5)));
    let told = store
        .checkpoint(reply.chat_id, reply.id, "us", "x", LEASE)
        .await
        .unwrap();
    let expected = Checkpointed::Held {
        is_stop_requested: true,
    };
    assert_eq!(told, expected);

    let ended = make::streaming(make::chat().id, "us");
    store.insert_message(&ended).await.unwrap();
    let complete = make::outcome(EndState::Complete, "all");
    let ended = store
        .finish_reply(ended.chat_id, ended.id, Claim::Alone, &complete, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store
            .request_stop(ended.chat_id, ended.id, &make::stop(9))
            .await
            .unwrap(),
        Some(ended)
    );
    assert_eq!(
        store
            .request_stop(reply.chat_id, MessageId(make::id()), &make::stop(9))
            .await
            .unwrap(),
        None
    );
}

async fn every_end_is_stored_whole_and_stays(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat().id;
    for state in make::ENDS {
        let reply = make::streaming(chat, "us");
        store.insert_message(&reply).await.unwrap();
        let outcome = outcome_in_full(state, &reply);
        let expected = Message {
            text: "पूरा".to_owned(),
            token_count: make::tokens(7),
            updated_at: outcome.finished_at,
            reply: reply.reply.clone().map(|reply| Reply {
                state: state.into(),
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
            .finish_reply(reply.chat_id, reply.id, Claim::Owner("us"), &outcome, None)
            .await
            .unwrap();
        assert_eq!(ended.as_ref(), Some(&expected));
        let other = make::outcome(EndState::Failed, "other");
        assert_eq!(
            store
                .finish_reply(reply.chat_id, reply.id, Claim::Alone, &other, None)
                .await
                .unwrap(),
            None
        );
        let late = store
            .checkpoint(reply.chat_id, reply.id, "us", "late and long", LEASE)
            .await
            .unwrap();
        assert_eq!(late, Checkpointed::Lost);
        assert_eq!(store.messages(&[reply.id]).await.unwrap(), [expected]);
    }
    let nobody = MessageId(make::id());
    let outcome = make::outcome(EndState::Complete, "x");
    assert_eq!(
        store
            .finish_reply(chat, nobody, Claim::Alone, &outcome, None)
            .await
            .unwrap(),
        None
    );
}

fn outcome_in_full(state: EndState, reply: &Message) -> ReplyOutcome {
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
    store
        .checkpoint(reply.chat_id, reply.id, "us", "so far", LEASE)
        .await
        .unwrap();
    let outcome = ReplyOutcome {
        text: None,
        ..make::outcome(EndState::Interrupted, "")
    };
    let ended = store
        .finish_reply(reply.chat_id, reply.id, Claim::Alone, &outcome, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((ended.text.as_str(), ended.token_count), ("so far", None));
}

async fn only_the_expected_owner_ends_a_reply(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    let outcome = make::outcome(EndState::Complete, "x");
    assert_eq!(
        store
            .finish_reply(reply.chat_id, reply.id, Claim::Owner("them"), &outcome, None)
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
            .finish_reply(reply.chat_id, reply.id, Claim::Owner("us"), &outcome, None)
            .await
            .unwrap()
            .is_some()
    );
}

async fn a_reply_that_was_stopped_before_it_failed_has_no_error(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    let (chat, id) = (reply.chat_id, reply.id);
    store.request_stop(chat, id, &make::stop(5)).await.unwrap();
    let failed = ReplyOutcome {
        error: Some(ReplyError {
            code: "UPSTREAM_TIMEOUT".to_owned(),
            message: "The bot took too long.".to_owned(),
        }),
        ..make::outcome(EndState::Failed, "x")
    };
    let ended = store.finish_reply(chat, id, Claim::Owner("us"), &failed, None);
    let ended = ended.await.unwrap().unwrap();
    let stored = store.messages(&[id]).await.unwrap().pop().unwrap();
    assert_eq!(stored, ended);
    let reply = ended.reply.unwrap();
    assert_eq!((reply.state, reply.error), (ReplyState::Stopped, None));
}

async fn the_wish_that_ends_a_reply_does_not_replace_one_that_was_noted(scratch: &Scratch) {
    let store = scratch.open().await;
    let outcome = ReplyOutcome {
        stop: Some(make::stop(9)),
        ..make::outcome(EndState::Stopped, "x")
    };
    for noted in [None, Some(make::stop(5))] {
        let reply = make::streaming(make::chat().id, "us");
        store.insert_message(&reply).await.unwrap();
        if let Some(noted) = &noted {
            store.request_stop(reply.chat_id, reply.id, noted).await.unwrap();
        }
        let ended = store
            .finish_reply(reply.chat_id, reply.id, Claim::Owner("us"), &outcome, None)
            .await
            .unwrap();
        let stop = ended.unwrap().reply.unwrap().stop;
        assert_eq!(stop, noted.or(Some(make::stop(9))));
        assert_eq!(
            store
                .finish_reply(reply.chat_id, reply.id, Claim::Owner("us"), &outcome, None)
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
        let (store, chat, id) = (store.clone(), reply.chat_id, reply.id);
        let outcome = make::outcome(EndState::Stopped, &format!("text {n}"));
        tokio::spawn(async move {
            store
                .finish_reply(chat, id, Claim::Alone, &outcome, None)
                .await
                .unwrap()
        })
    });
    let ended = join_all(rivals).await.into_iter().filter_map(Result::unwrap);
    let winners: Vec<_> = ended.collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(store.messages(&[reply.id]).await.unwrap(), winners);
}

async fn a_stop_that_was_noted_decides_the_end_whoever_closes_the_reply(scratch: &Scratch) {
    let store = scratch.open().await;
    for (state, claim) in make::ENDS.into_iter().zip(
        [Claim::Owner("us"), Claim::Lapsed, Claim::Alone]
            .into_iter()
            .cycle(),
    ) {
        let mut reply = make::streaming(make::chat().id, "us");
        reply.reply.as_mut().unwrap().lease_until = make::at(5);
        store.insert_message(&reply).await.unwrap();
        store
            .request_stop(reply.chat_id, reply.id, &make::stop(5))
            .await
            .unwrap();
        let outcome = ReplyOutcome {
            stop: Some(make::stop(9)),
            ..make::outcome(state, "so far")
        };
        let ended = store
            .finish_reply(reply.chat_id, reply.id, claim, &outcome, None)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            store.messages(&[reply.id]).await.unwrap(),
            std::slice::from_ref(&ended)
        );
        let reply = ended.reply.unwrap();
        assert_eq!(
            (reply.state, reply.stop),
            (ReplyState::Stopped, Some(make::stop(5))),
            "{state:?} {claim:?}"
        );
    }
}

async fn a_streaming_reply_is_removed_by_whom_the_claim_allows(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat().id;
    let remove = async |id, claim| store.remove_reply(chat, id, claim).await.unwrap();
    let reply = make::streaming(chat, "us");
    store.insert_message(&reply).await.unwrap();
    assert!(!remove(reply.id, Claim::Owner("them")).await);
    assert!(!remove(reply.id, Claim::Lapsed).await);
    assert_eq!(
        store.messages(&[reply.id]).await.unwrap(),
        std::slice::from_ref(&reply)
    );
    assert!(remove(reply.id, Claim::Owner("us")).await);
    assert!(!remove(reply.id, Claim::Owner("us")).await);
    assert_eq!(store.messages(&[reply.id]).await.unwrap(), []);

    let mut lapsed = make::streaming(chat, "us");
    lapsed.reply.as_mut().unwrap().lease_until = make::at(5);
    store.insert_message(&lapsed).await.unwrap();
    assert!(remove(lapsed.id, Claim::Lapsed).await);

    let ended = make::streaming(chat, "us");
    store.insert_message(&ended).await.unwrap();
    let outcome = make::outcome(EndState::Complete, "all");
    store
        .finish_reply(chat, ended.id, Claim::Alone, &outcome, None)
        .await
        .unwrap();
    assert!(!remove(ended.id, Claim::Alone).await);
    let message = make::message(chat);
    store.insert_message(&message).await.unwrap();
    assert!(!remove(message.id, Claim::Alone).await);
    assert_eq!(store.messages(&[ended.id, message.id]).await.unwrap().len(), 2);
}

async fn nothing_is_changed_by_way_of_another_chat(scratch: &Scratch) {
    let store = scratch.open().await;
    let (reply, other) = (make::streaming(make::chat().id, "us"), make::chat().id);
    store.insert_message(&reply).await.unwrap();
    let told = store.checkpoint(other, reply.id, "us", "text", LEASE).await;
    assert_eq!(told.unwrap(), Checkpointed::Lost);
    let stopped = store.request_stop(other, reply.id, &make::stop(5)).await;
    assert_eq!(stopped.unwrap(), None);
    let outcome = make::outcome(EndState::Complete, "all");
    let ended = store
        .finish_reply(other, reply.id, Claim::Alone, &outcome, None)
        .await;
    assert_eq!(ended.unwrap(), None);
    assert!(!store.remove_reply(other, reply.id, Claim::Alone).await.unwrap());
    let change = MessageChange {
        text: Some("other".to_owned()),
        ..MessageChange::default()
    };
    let changed = store.update_message(other, reply.id, &change, make::now()).await;
    assert_eq!(changed.unwrap(), None);
    assert!(!store.delete_message(other, reply.id).await.unwrap());
    assert_eq!(store.messages(&[reply.id]).await.unwrap(), [reply]);
}

async fn the_active_replies_of_a_chat_come_in_their_order(scratch: &Scratch) {
    let store = scratch.open().await;
    let (busy, idle, other) = (make::chat().id, make::chat().id, make::chat().id);
    let reply_at = |chat, millis| Message {
        created_at: make::at(millis),
        updated_at: make::at(millis),
        ..make::streaming(chat, "us")
    };
    let (second, first, lone) = (reply_at(busy, 9), reply_at(busy, 4), reply_at(other, 7));
    // Of the same moment as another, with a greater id.
    let third = reply_at(busy, 9);
    for message in [&third, &second, &first, &lone] {
        store.insert_message(message).await.unwrap();
    }
    store.insert_message(&make::message_at(idle, 1)).await.unwrap();
    let mut active = store.active_replies(&[busy, idle, other]).await.unwrap();
    assert_eq!(
        active.remove(&busy),
        Some(vec![first.clone(), second.clone(), third.clone()])
    );
    assert_eq!(active.remove(&other), Some(vec![lone]));
    assert!(active.is_empty());

    let ended = make::outcome(EndState::Stopped, "");
    store
        .finish_reply(first.chat_id, first.id, Claim::Alone, &ended, None)
        .await
        .unwrap();
    assert_eq!(
        store.active_replies(&[busy]).await.unwrap().remove(&busy),
        Some(vec![second, third])
    );
}
