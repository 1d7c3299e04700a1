//! What an event costs MongoDB, however many follow a chat; and what a follower is told who reads late.

use std::sync::Arc;

use colloquy::config::Limits;
use colloquy::domain::{
    Author, CONTENT_BYTES_MAX, ChatChange, ChatCursor, ChatEvent, ChatId, EndState, MessageChange,
    TextDigest, Viewer, WhileReplying,
};
use colloquy::engine::ReplyUpdate;
use colloquy::feed::Feed;
use colloquy::service::{ChatFollower, ChatUpdate, Manner, Prompt, Service};
use colloquy::store::{Begun, ChatStore, Claim, MessageStore, ReplyStore};
use futures_util::future::join_all;

use super::recorder::{Recorder, names};
use super::serve;
use crate::support::make;
use crate::support::scratch::Scratch;

/// A follower of a chat from now on, and the cursor to resume at.
async fn followed(service: &Arc<Service>, chat: ChatId) -> (ChatFollower, ChatCursor) {
    let mut follower = service.follow_chat(&Viewer::Anonymous, chat, None).await.unwrap();
    match follower.next().await {
        Some((ChatUpdate::Resync, cursor)) => (follower, cursor),
        other => panic!("no resync: {other:?}"),
    }
}

#[tokio::test]
async fn an_event_that_carries_its_content_costs_no_command_however_many_follow() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (service, feed) = serve(store.clone(), Limits::default());

    for count in [1, 100] {
        let mut chat = make::chat();
        store.insert_chat(&chat).await.unwrap();
        let mut followers = Vec::new();
        for _ in 0..count {
            followers.push(followed(&service, chat.id).await.0);
        }
        recorder.take();
        let added = make::message_at(chat.id, 1_000);
        let mut updated = make::message_at(chat.id, 2_000);
        updated.reaction = Some("👍".to_owned());
        chat.title = "Renamed".to_owned();
        // Of two changes within a second the later is read in the store.
        chat.updated_at = make::at(1_000);
        for event in [
            ChatEvent::message_added(&added),
            ChatEvent::message_updated(&updated),
            ChatEvent::chat_updated(&chat),
        ] {
            feed.publish(chat.id, event).await;
        }
        for follower in &mut followers {
            let Some((ChatUpdate::MessageAdded(message), _)) = follower.next().await else {
                panic!("no message");
            };
            assert_eq!(message, added);
            let Some((ChatUpdate::MessageUpdated(message), _)) = follower.next().await else {
                panic!("no message");
            };
            assert_eq!(message, updated);
            let Some((ChatUpdate::ChatUpdated(told), _)) = follower.next().await else {
                panic!("no chat");
            };
            assert_eq!(told, chat);
        }
        assert_eq!(recorder.take(), []);

        // A large one is read in the store, once.
        let mut large = make::message(chat.id);
        large.author = Author::Bot;
        large.text = "x".repeat(CONTENT_BYTES_MAX);
        store.insert_message(&large).await.unwrap();
        recorder.take();
        feed.publish(chat.id, ChatEvent::message_added(&large)).await;
        for follower in &mut followers {
            let Some((ChatUpdate::MessageAdded(message), _)) = follower.next().await else {
                panic!("no message");
            };
            assert_eq!(message.text, large.text);
        }
        assert_eq!(names(&recorder.take()), ["find"]);

        // And what the service publishes carries its content.
        let change = ChatChange {
            title: Some("Renamed again".to_owned()),
            ..ChatChange::default()
        };
        service
            .update_chat(&Viewer::Anonymous, chat.id, &change)
            .await
            .unwrap();
        recorder.take();
        for follower in &mut followers {
            let Some((ChatUpdate::ChatUpdated(told), _)) = follower.next().await else {
                panic!("no chat");
            };
            assert_eq!(told.title, "Renamed again");
        }
        assert_eq!(recorder.take(), []);
    }
    scratch.remove().await;
}

#[tokio::test]
async fn two_changes_within_a_second_cost_one_find_however_many_follow() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (service, feed) = serve(store.clone(), Limits::default());

    for count in [1, 100] {
        let mut chat = make::stored_chat(&*store).await;
        let message = make::message_at(chat.id, 1_000);
        store.insert_message(&message).await.unwrap();
        let mut followers = Vec::new();
        for _ in 0..count {
            followers.push(followed(&service, chat.id).await.0);
        }
        for (reaction, at) in [("👍", 10_000), ("👎", 10_500)] {
            let change = MessageChange {
                reaction: Some(Some(reaction.to_owned())),
                ..MessageChange::default()
            };
            let changed = store
                .update_message(chat.id, message.id, &change, make::at(at))
                .await;
            let changed = ChatEvent::message_updated(&changed.unwrap().unwrap());
            feed.publish(chat.id, changed).await;
        }
        recorder.take();
        // At one time, as the sockets of a server read.
        let told = join_all(followers.iter_mut().map(|follower| async move {
            let (first, second) = (follower.next().await, follower.next().await);
            [first, second].map(|told| match told {
                Some((ChatUpdate::MessageUpdated(message), _)) => message.reaction,
                other => panic!("{other:?}"),
            })
        }));
        for told in told.await {
            assert_eq!(told, [Some("👍".to_owned()), Some("👎".to_owned())]);
        }
        assert_eq!(names(&recorder.take()), ["find"], "{count} followers");

        for (title, at) in [("One", 20_000), ("Two", 20_500)] {
            let change = ChatChange {
                title: Some(title.to_owned()),
                ..ChatChange::default()
            };
            chat = store
                .update_chat(chat.id, &change, make::at(at))
                .await
                .unwrap()
                .unwrap();
            feed.publish(chat.id, ChatEvent::chat_updated(&chat)).await;
        }
        recorder.take();
        // And one after the other.
        for follower in &mut followers {
            for title in ["One", "Two"] {
                let Some((ChatUpdate::ChatUpdated(told), _)) = follower.next().await else {
                    panic!("no chat");
                };
                assert_eq!(told.title, title);
            }
        }
        assert_eq!(names(&recorder.take()), ["find"], "{count} followers");

        // One that is gone is not sent, and a message of another chat neither.
        let elsewhere = make::message(make::stored_chat(&*store).await.id);
        store.insert_message(&elsewhere).await.unwrap();
        let gone = make::message(chat.id);
        let last = make::message_at(chat.id, 30_000);
        recorder.take();
        for event in [&gone, &elsewhere] {
            let event = ChatEvent::message_added(event).without_content();
            feed.publish(chat.id, event).await;
        }
        feed.publish(chat.id, ChatEvent::message_added(&last)).await;
        for follower in &mut followers {
            let Some((ChatUpdate::MessageAdded(told), _)) = follower.next().await else {
                panic!("no message");
            };
            assert_eq!(told, last);
        }
        assert_eq!(names(&recorder.take()), ["find", "find"], "{count} followers");
    }
    scratch.remove().await;
}

#[tokio::test]
async fn a_reply_that_is_changed_before_its_end_is_read_ends_as_it_was_changed() {
    const REACTION: &str = "👍";
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let (service, _) = serve(store.clone(), Limits::default());
    let (chat, viewer) = (make::chat(), Viewer::Anonymous);
    store.insert_chat(&chat).await.unwrap();
    let (mut follower, _) = followed(&service, chat.id).await;
    let prompt = Prompt {
        chat_id: chat.id,
        text: "Hello".to_owned(),
        client_key: None,
        while_replying: WhileReplying::Queue,
        manner: Manner::default(),
        is_legacy: false,
    };
    let reply = service
        .send_message(&viewer, prompt.clone())
        .await
        .unwrap()
        .reply
        .id;
    let added = follower.next().await;
    assert!(
        matches!(added, Some((ChatUpdate::MessageAdded(_), _))),
        "{added:?}"
    );
    // It comes to the reply, and reads no further until that has ended and was changed.
    let begun = follower.next().await;
    assert!(matches!(begun, Some((ChatUpdate::Reply(_), _))), "{begun:?}");
    let mut reader = service.follow_reply(&viewer, reply, None).await.unwrap();
    while reader.next().await.is_some() {}
    let again = Prompt {
        text: "Hello again".to_owned(),
        ..prompt.clone()
    };
    let next = service.send_message(&viewer, again).await.unwrap().reply.id;
    let mut reader = service.follow_reply(&viewer, next, None).await.unwrap();
    while reader.next().await.is_some() {}
    let reacted = service
        .add_reaction(&viewer, reply, REACTION.to_owned())
        .await
        .unwrap();
    let mut told = Vec::new();
    let end = loop {
        match follower.next().await.unwrap().0 {
            ChatUpdate::Reply(ReplyUpdate::Finished { message, .. }) => break message,
            update => told.push(update),
        }
    };
    assert_eq!(end.message().reaction.as_deref(), Some(REACTION));
    assert_eq!(end.message().text, reacted.text);
    let updated =
        |update: &ChatUpdate| matches!(update, ChatUpdate::MessageUpdated(message) if *message == reacted);
    let at = told.iter().position(updated).unwrap();
    // What follows the whole text begins anew, and doubles nothing.
    let next = told.get(at + 1);
    assert!(
        matches!(next, Some(ChatUpdate::Reply(ReplyUpdate::Snapshot { .. }))),
        "{told:?}"
    );
    scratch.remove().await;
}

/// Two servers of one database that tell each other nothing: what one of them knows, the other reads in the store.
#[tokio::test]
async fn a_server_that_is_behind_sends_a_changed_reply_from_its_beginning_again() {
    let [known, ahead, later] = ["The sea", "The sea is wide", "The sea is wide and deep"];
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let (service, _) = serve(store.clone(), Limits::default());
    let (chat, viewer) = (make::stored_chat(&*store).await, Viewer::Anonymous);
    let exchange = make::reply_to_stored(chat.id, "another server");
    let (reply, lease) = (exchange.reply.id, exchange.lease);
    store.begin_exchange(&exchange).await.unwrap();
    store
        .checkpoint(chat.id, reply, "another server", known, lease)
        .await
        .unwrap();

    let mut follower = service.follow_chat(&viewer, chat.id, None).await.unwrap();
    let (_, mut cursor) = follower.next().await.unwrap();
    cursor.replies = vec![(reply, Some(TextDigest::of(ahead).cursor()))];
    let resumed = service
        .follow_chat(&viewer, chat.id, Some(&cursor.encode()))
        .await;
    let mut resumed = resumed.unwrap();
    service
        .add_reaction(&viewer, reply, "👍".to_owned())
        .await
        .unwrap();
    let Some((ChatUpdate::MessageUpdated(changed), _)) = resumed.next().await else {
        panic!("no change");
    };
    assert_eq!(changed.text, known);
    store
        .checkpoint(chat.id, reply, "another server", later, lease)
        .await
        .unwrap();
    let mut text = changed.text;
    while text != later {
        match resumed.next().await.unwrap().0 {
            ChatUpdate::Reply(ReplyUpdate::Snapshot { text: whole, .. }) => text = whole,
            ChatUpdate::Reply(ReplyUpdate::Partial { text: more, .. }) => text.push_str(&more),
            other => panic!("{other:?}"),
        }
        assert!(later.starts_with(&text), "{text}");
    }
    scratch.remove().await;
}

#[tokio::test]
async fn the_text_behind_a_resync_takes_no_reaction_back() {
    const REACTION: &str = "👍";
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let (service, _) = serve(store.clone(), Limits::default());
    let (chat, viewer) = (make::stored_chat(&*store).await, Viewer::Anonymous);
    let exchange = make::reply_to_stored(chat.id, "another server");
    let reply = exchange.reply.id;
    store.begin_exchange(&exchange).await.unwrap();
    // It is followed here, and changed on a server that does not tell.
    let _reader = service.follow_reply(&viewer, reply, None).await.unwrap();
    let change = MessageChange {
        reaction: Some(Some(REACTION.to_owned())),
        ..MessageChange::default()
    };
    store
        .update_message(chat.id, reply, &change, make::now())
        .await
        .unwrap();
    let (mut follower, _) = followed(&service, chat.id).await;
    let Some((ChatUpdate::Reply(ReplyUpdate::Snapshot { message, .. }), _)) = follower.next().await else {
        panic!("no text");
    };
    assert_eq!(message.reaction.as_deref(), Some(REACTION));
    scratch.remove().await;
}

/// A hundred learn at once of a reply that another server began, and one comes back with a cursor of before when it has
/// ended.
#[tokio::test]
async fn a_reply_that_was_read_when_it_grew_does_not_grow_again_for_those_who_come_later() {
    const TEXT: &str = "The sea is wide";
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (service, feed) = serve(store.clone(), Limits::default());
    let (chat, viewer) = (make::stored_chat(&*store).await, Viewer::Anonymous);
    let mut followers = Vec::new();
    let mut cursor = None;
    for _ in 0..100 {
        let (follower, behind) = followed(&service, chat.id).await;
        cursor = Some(behind);
        followers.push(follower);
    }
    let exchange = make::reply_to_stored(chat.id, "another server");
    let id = exchange.reply.id;
    let Begun::Begun { reply, .. } = store.begin_exchange(&exchange).await.unwrap() else {
        panic!("it did not begin");
    };
    recorder.take();
    feed.publish(chat.id, ChatEvent::reply_started(&reply)).await;
    let begun = join_all(
        followers
            .iter_mut()
            .map(async |follower| follower.next().await.unwrap().0),
    );
    for update in begun.await {
        assert!(
            matches!(&update, ChatUpdate::Reply(ReplyUpdate::Snapshot { text, .. }) if text.is_empty()),
            "{update:?}"
        );
    }
    // The reply, and what the server needs to show it growing.
    let finds = recorder.take().len();
    assert!(finds <= 2, "{finds} commands");
    let outcome = make::outcome(EndState::Complete, TEXT);
    let finished = store.finish_reply(chat.id, id, Claim::Owner("another server"), &outcome, None);
    finished.await.unwrap();
    for follower in &mut followers {
        while !matches!(
            follower.next().await,
            Some((ChatUpdate::Reply(ReplyUpdate::Finished { .. }), _))
        ) {}
    }
    let cursor = cursor.unwrap().encode();
    let mut late = service
        .follow_chat(&viewer, chat.id, Some(&cursor))
        .await
        .unwrap();
    let Some((ChatUpdate::Reply(ReplyUpdate::Snapshot { text, .. }), _)) = late.next().await else {
        panic!("no text");
    };
    assert_eq!(text, TEXT);
    let end = late.next().await;
    assert!(
        matches!(end, Some((ChatUpdate::Reply(ReplyUpdate::Finished { .. }), _))),
        "{end:?}"
    );
    scratch.remove().await;
}

#[tokio::test]
async fn an_event_that_comes_behind_the_ends_of_many_replies_begins_none_of_them_again() {
    const REPLIES: usize = 100;
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let (service, feed) = serve(store.clone(), Limits::default());
    let chat = make::stored_chat(&*store).await;
    let (mut follower, _) = followed(&service, chat.id).await;
    let mut begun = Vec::new();
    for _ in 0..REPLIES {
        let exchange = make::reply_to_stored(chat.id, "another server");
        let Begun::Begun { reply, .. } = store.begin_exchange(&exchange).await.unwrap() else {
            panic!("it did not begin");
        };
        let outcome = make::outcome(EndState::Complete, "Hello");
        let finished = store.finish_reply(chat.id, reply.id, Claim::Owner("another server"), &outcome, None);
        finished.await.unwrap();
        feed.publish(chat.id, ChatEvent::reply_started(&reply)).await;
        while !matches!(
            follower.next().await,
            Some((ChatUpdate::Reply(ReplyUpdate::Finished { .. }), _))
        ) {}
        begun.push(reply);
    }
    feed.publish(chat.id, ChatEvent::reply_started(&begun[0])).await;
    let last = make::message_at(chat.id, 30_000);
    feed.publish(chat.id, ChatEvent::message_added(&last)).await;
    let next = follower.next().await;
    assert!(matches!(next, Some((ChatUpdate::MessageAdded(_), _))), "{next:?}");
    scratch.remove().await;
}
