use super::*;
use futures_util::FutureExt;

use crate::domain::{Author, Chat, ChatStatus, Message, MessageId, ObjectId, Timestamp, UserId};
use crate::feed::log::REORDERED_WITHIN_MS;

fn event(n: u8) -> ChatEvent {
    ChatEvent::MessageDeleted(MessageId(ObjectId::from_bytes([n; 12])))
}

fn position(epoch: u64, sequence: u64) -> FeedPosition {
    FeedPosition { epoch, sequence }
}

fn followed(behind: FeedPosition, event: ChatEvent) -> Followed {
    Followed::Event(behind, event, Arc::default())
}

#[tokio::test]
async fn events_that_carry_their_position_are_taken_once_in_order_and_a_missing_one_waits_for_a_backfill() {
    let ring = Arc::new(Ring::at(position(1, 0), Arc::default()));
    assert_eq!(ring.place(position(1, 1), event(1)), Placed::Awaited);
    // It arrived after the backfill was read.
    assert!(!ring.backfill(position(1, 0), Vec::new()));
    assert!(ring.backfill(position(1, 0), vec![event(1)]));
    let mut follower = ring.clone().follow(Some(position(1, 0)));
    assert_eq!(ring.place(position(1, 2), event(2)), Placed::Held);
    assert_eq!(ring.place(position(1, 1), event(1)), Placed::Held);
    assert_eq!(ring.place(position(1, 5), event(5)), Placed::Incomplete);
    assert_eq!(ring.place(position(1, 6), event(6)), Placed::Awaited);
    assert!(ring.backfill(position(1, 0), (1..=6).map(event).collect()));
    for n in 1..=6 {
        let told = follower.next().await.unwrap();
        assert_eq!(told, followed(position(1, n.into()), event(n)));
    }
    // The stream was reset, or no longer reaches back to the ring.
    for (start, n) in [(position(2, 0), 7), (position(2, 9), 8)] {
        assert!(ring.backfill(start, vec![event(n)]));
        let behind = position(2, start.sequence + 1);
        assert_eq!(follower.next().await.unwrap(), Followed::Gap(behind));
    }
}

#[tokio::test]
async fn a_number_that_is_used_again_for_another_event_is_a_gap() {
    let ring = Arc::new(Ring::at(position(1, 0), Arc::default()));
    assert!(ring.backfill(position(1, 0), (1..=3).map(event).collect()));
    let mut follower = ring.clone().follow(Some(position(1, 3)));
    // Received while connected.
    assert_eq!(ring.place(position(1, 2), event(2)), Placed::Held);
    assert_eq!(ring.place(position(1, 2), event(7)), Placed::Incomplete);
    let continued = [1, 7, 8].map(event).to_vec();
    assert!(ring.backfill(position(1, 0), continued));
    assert_eq!(
        follower.next().now_or_never().unwrap().unwrap(),
        Followed::Gap(position(1, 3))
    );
    // Found after a time without a connection.
    ring.mark_stale();
    assert!(ring.backfill(position(1, 0), [1, 7, 9, 10].map(event).to_vec()));
    assert_eq!(
        follower.next().now_or_never().unwrap().unwrap(),
        Followed::Gap(position(1, 4))
    );
}

#[tokio::test]
async fn what_comes_of_a_message_after_its_deletion_has_no_content_whoever_follows_from_where() {
    let chat = ChatId(ObjectId::from_bytes([1; 12]));
    let id = MessageId(ObjectId::from_bytes([7; 12]));
    let at = Timestamp::from_millis(1);
    let message = Message::plain(id, chat, Author::User, "gone".to_owned(), at);
    let late = ChatEvent::message_added(&message);
    assert!(late.content_changed_at().is_some());
    let ring = Arc::new(Ring::at(position(1, 0), Arc::default()));
    assert!(ring.backfill(position(1, 0), vec![event(7), event(8)]));
    // The subscriber resumes after the deletion.
    let mut follower = ring.clone().follow(Some(position(1, 2)));
    ring.push(late.clone());
    let expected = followed(position(1, 3), late.without_content());
    assert_eq!(follower.next().await.unwrap(), expected);
}

#[tokio::test]
async fn content_that_may_not_be_the_latest_is_left_to_be_read_in_the_store() {
    let chat = ChatId(ObjectId::from_bytes([1; 12]));
    let renamed = |title: &str, at| {
        ChatEvent::chat_updated(&Chat {
            id: chat,
            user_id: UserId::Int(1),
            document_id: None,
            title: title.to_owned(),
            status: ChatStatus::active(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(at),
        })
    };
    let ring = Arc::new(Ring::at(position(1, 0), Arc::default()));
    let mut follower = ring.clone().follow(Some(position(1, 0)));
    for (title, at, is_kept) in [
        ("a", 10_000, true),
        ("b", 10_000 + REORDERED_WITHIN_MS, true),
        ("near", 10_001 + REORDERED_WITHIN_MS, false),
        ("before", 9_000, false),
        ("between", 10_500, false),
        ("c", 20_000, true),
    ] {
        let event = renamed(title, at);
        ring.push(event.clone());
        let expected = if is_kept {
            event
        } else {
            ChatEvent::ChatUpdated(None)
        };
        let Some(Followed::Event(_, told, _)) = follower.next().await else {
            panic!("no event");
        };
        assert_eq!(told, expected, "{title}");
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_comes_right_behind_a_reset_is_left_to_be_read_in_the_store() {
    let chat = ChatId(ObjectId::from_bytes([1; 12]));
    let renamed = ChatEvent::chat_updated(&Chat {
        id: chat,
        user_id: UserId::Int(1),
        document_id: None,
        title: "before".to_owned(),
        status: ChatStatus::active(),
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(1),
    });
    let ring = Arc::new(Ring::at(position(1, 0), Arc::default()));
    // As a ring begins whose chat has a stream already.
    assert!(ring.backfill(position(2, 0), Vec::new()));
    assert_eq!(ring.place(position(2, 1), renamed.clone()), Placed::Held);
    let mut follower = ring.clone().follow(Some(position(2, 0)));
    let told = follower.next().await.unwrap();
    assert_eq!(told, followed(position(2, 1), renamed.clone()));
    // Handed in by another server before that, and carried behind it.
    ring.renew(position(3, 0));
    assert_eq!(ring.place(position(3, 1), renamed.clone()), Placed::Held);
    assert_eq!(follower.next().await.unwrap(), Followed::Gap(position(3, 1)));
    let mut late = ring.clone().follow(Some(position(3, 0)));
    let told = late.next().await.unwrap();
    assert_eq!(told, followed(position(3, 1), ChatEvent::ChatUpdated(None)));
}
