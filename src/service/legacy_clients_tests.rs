use super::*;

use std::sync::Arc;

use crate::bot::BuiltinBot;
use crate::config::{EngineConfig, Limits};
use crate::domain::{ClientKey, Clock, IdSource, MessageId, Reply, SystemClock, UserId};
use crate::engine::Engine;
use crate::feed::LocalFeed;
use crate::store::{ChatStore, MemoryStore, MessageStore};

#[test]
fn a_message_came_when_its_id_was_minted_where_its_date_is_of_another_time() {
    let seconds = 1_700_000_000_u32;
    let at = |millis: i64| Timestamp::from_millis(i64::from(seconds) * 1_000 + millis);
    let dated = |created_at| {
        let mut id = [7; 12];
        id[..4].copy_from_slice(&seconds.to_be_bytes());
        let (id, chat) = (ObjectId::from_bytes(id), ObjectId::from_bytes([1; 12]));
        let text = "yes".to_owned();
        Message::plain(MessageId(id), ChatId(chat), Author::User, text, created_at)
    };
    for (created_at, came_at) in [
        (at(0), at(0)),
        (at(999), at(999)),
        (at(1_200), at(1_200)),
        (at(5 * 3_600_000), at(0)),
        (at(-3_600_000), at(0)),
    ] {
        let message = dated(created_at);
        assert_eq!(super::came_at(&message), came_at);
        for (later, is_near) in [(-2_001, false), (-2_000, true), (2_000, true), (2_001, false)] {
            let now = came_at.plus_millis(later);
            assert_eq!(
                came_a_moment_ago(&message, now),
                is_near,
                "{created_at:?} {later}"
            );
        }
    }
}

#[test]
fn a_title_is_the_beginning_of_a_text_in_whole_characters() {
    let devanagari = "क".repeat(51);
    let cut = format!("{}...", "क".repeat(50));
    assert_eq!(title_of(&devanagari), Some(cut));
    assert_eq!(title_of("Hello"), Some("Hello".to_owned()));
    assert_eq!(title_of(" \n "), None);
}

/// A text as two servers stored it that both looked before either stored.
struct Twice {
    service: Service,
    store: Arc<MemoryStore>,
    posted: Message,
    sent: Message,
}

impl Twice {
    /// `changed` changes the posted message before it is stored.
    async fn stored(changed: impl FnOnce(&mut Message)) -> Self {
        let clock = Arc::new(SystemClock);
        let ids = IdSource::new(clock.clone(), [1; 8]);
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let feed = Arc::new(LocalFeed::new(1));
        let engine = Engine::new(
            store.clone(),
            feed.clone(),
            Arc::new(BuiltinBot::new(0.0, 0)),
            clock.clone(),
            EngineConfig::default(),
            "a server".to_owned(),
        );
        let now = clock.now();
        let chat = Chat {
            id: ChatId(ids.next()),
            user_id: UserId::Int(1),
            document_id: None,
            title: "A chat".to_owned(),
            status: ChatStatus::active(),
            created_at: now,
            updated_at: now,
        };
        store.insert_chat(&chat).await.unwrap();
        let message = || {
            let id = MessageId(ids.next());
            Message::plain(id, chat.id, Author::User, "Hello".to_owned(), now)
        };
        let (mut posted, mut sent) = (message(), message());
        changed(&mut posted);
        sent.reply_id = Some(MessageId(ids.next()));
        for message in [&posted, &sent] {
            store.insert_message(message).await.unwrap();
        }
        let ids = IdSource::new(clock.clone(), [2; 8]);
        let service = Service::new(store.clone(), feed, engine, clock, ids, Limits::default(), None);
        Self {
            service,
            store,
            posted,
            sent,
        }
    }

    async fn is_posted(&self) -> bool {
        !self.store.messages(&[self.posted.id]).await.unwrap().is_empty()
    }
}

#[tokio::test]
async fn of_a_text_that_was_stored_twice_at_once_the_posted_one_goes_whoever_looks() {
    let twice = Twice::stored(|_| {}).await;
    let replaced = twice.service.replace_by_sent(&twice.posted).await;
    assert_eq!(replaced, Some(twice.sent.clone()));
    assert!(!twice.is_posted().await);
    // The other server finds nothing more to do.
    twice.service.delete_posted(&twice.sent).await;

    let twice = Twice::stored(|_| {}).await;
    twice.service.delete_posted(&twice.sent).await;
    assert!(!twice.is_posted().await);
    assert_eq!(
        twice.service.replace_by_sent(&twice.posted).await,
        Some(twice.sent.clone())
    );
}

#[tokio::test]
async fn a_posted_message_with_a_client_key_stays() {
    let key = ClientKey::parse("k1");
    let twice = Twice::stored(|posted| posted.client_key = key).await;
    twice.service.delete_posted(&twice.sent).await;
    assert!(twice.is_posted().await);
}

#[tokio::test]
async fn a_posted_message_that_is_answered_stays() {
    let twice = Twice::stored(|_| {}).await;
    let id = MessageId(ObjectId::from_bytes([9; 12]));
    let mut reply = Reply::begun("another server".to_owned(), twice.posted.created_at);
    reply.in_reply_to = Some(twice.posted.id);
    let at = twice.posted.created_at.plus_millis(1);
    let mut answer = Message::plain(id, twice.posted.chat_id, Author::Bot, "Hi".to_owned(), at);
    answer.reply = Some(reply);
    twice.store.insert_message(&answer).await.unwrap();
    assert_eq!(twice.service.replace_by_sent(&twice.posted).await, None);
    twice.service.delete_posted(&twice.sent).await;
    assert!(twice.is_posted().await);
}
