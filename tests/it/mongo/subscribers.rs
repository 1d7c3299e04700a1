//! What an event costs MongoDB, however many follow a chat.

use colloquy::config::Limits;
use colloquy::domain::{Author, CONTENT_BYTES_MAX, ChatChange, ChatEvent, Viewer};
use colloquy::feed::Feed;
use colloquy::service::ChatUpdate;
use colloquy::store::{ChatStore, MessageStore};

use super::recorder::Recorder;
use super::serve;
use crate::support::make;
use crate::support::scratch::Scratch;

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
            let mut follower = service
                .follow_chat(&Viewer::Anonymous, chat.id, None)
                .await
                .unwrap();
            assert!(matches!(follower.next().await, Some((ChatUpdate::Resync, _))));
            followers.push(follower);
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

        // A large one is read in the store.
        let mut large = make::message(chat.id);
        large.author = Author::Bot;
        large.text = "x".repeat(CONTENT_BYTES_MAX);
        store.insert_message(&large).await.unwrap();
        feed.publish(chat.id, ChatEvent::message_added(&large)).await;
        for follower in &mut followers {
            let Some((ChatUpdate::MessageAdded(message), _)) = follower.next().await else {
                panic!("no message");
            };
            assert_eq!(message.text, large.text);
        }
        assert!(!recorder.take().is_empty());

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
