//! What every feed must do, declared once and run on each.

use std::sync::Arc;

use colloquy::domain::{ChatEvent, ChatId, FeedPosition, Timestamp, Typing, UserId};
use colloquy::feed::{EVENTS_MAX, Feed, Followed, Follower, LocalFeed, RedisFeed, TYPISTS_MAX};
use futures_util::{FutureExt, StreamExt};

use crate::support::make;
use crate::support::redis::Redis;

macro_rules! on_every_feed {
    ($($case:ident),+ $(,)?) => {
        mod local {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(&super::Bus::Local).await;
                }
            )+
        }

        mod redis {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(&super::Bus::Redis(super::Redis::start())).await;
                }
            )+
        }
    };
}

on_every_feed! {
    a_new_follower_begins_with_a_gap_and_hears_what_comes,
    events_come_in_order_to_every_follower_of_their_chat_alone,
    a_follower_goes_on_from_any_place_that_is_known,
    a_place_of_another_feed_is_a_gap,
    a_follower_that_lags_too_far_is_told_of_a_gap_and_hears_what_comes,
    a_publisher_waits_for_no_follower,
    what_was_published_before_a_flush_is_received,
    typing_is_sent_once_in_order_and_takes_no_place,
    typing_of_many_users_is_bounded,
}

/// Where feeds are opened.
enum Bus {
    Local,
    Redis(Redis),
}

impl Bus {
    /// A feed that knows no place of any other.
    async fn open(&self) -> Arc<dyn Feed> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).unwrap();
        let seed = u64::from_ne_bytes(seed);
        match self {
            Self::Local => Arc::new(LocalFeed::new(seed)),
            Self::Redis(redis) => {
                let name = make::id().to_string();
                let feed = RedisFeed::connect(&redis.url(), &format!("{name}:"), &name, seed).await;
                Arc::new(feed.unwrap())
            }
        }
    }
}

fn chat() -> ChatId {
    make::chat().id
}

fn event() -> ChatEvent {
    ChatEvent::message_added(&make::message(chat()))
}

async fn next(follower: &mut Follower) -> Followed {
    let next = tokio::time::timeout(std::time::Duration::from_secs(10), follower.next());
    next.await.expect("nothing was told").unwrap()
}

async fn gap(follower: &mut Follower) -> FeedPosition {
    match next(follower).await {
        Followed::Gap(position) => position,
        other => panic!("no gap: {other:?}"),
    }
}

async fn heard(follower: &mut Follower, event: &ChatEvent) -> FeedPosition {
    match next(follower).await {
        Followed::Event(position, heard, _) => {
            assert_eq!(&heard, event);
            position
        }
        other => panic!("{other:?}"),
    }
}

async fn a_new_follower_begins_with_a_gap_and_hears_what_comes(bus: &Bus) {
    let (feed, chat) = (bus.open().await, chat());
    feed.publish(chat, event()).await;
    let mut follower = feed.follow(chat, None).await;
    let late = event();
    // Between the following and the first look at it: no event is lost.
    feed.publish(chat, late.clone()).await;
    gap(&mut follower).await;
    heard(&mut follower, &late).await;
    assert!(follower.next().now_or_never().is_none());
}

async fn events_come_in_order_to_every_follower_of_their_chat_alone(bus: &Bus) {
    let (feed, one, other) = (bus.open().await, chat(), chat());
    let mut followers = Vec::new();
    for chat in [one, one, other] {
        let mut follower = feed.follow(chat, None).await;
        gap(&mut follower).await;
        followers.push(follower);
    }
    let events: Vec<_> = (0..50).map(|_| event()).collect();
    for event in &events {
        feed.publish(one, event.clone()).await;
    }
    let alone = event();
    feed.publish(other, alone.clone()).await;
    for follower in &mut followers[..2] {
        for event in &events {
            heard(follower, event).await;
        }
    }
    heard(&mut followers[2], &alone).await;
}

async fn a_follower_goes_on_from_any_place_that_is_known(bus: &Bus) {
    let (feed, chat) = (bus.open().await, chat());
    let mut follower = feed.follow(chat, None).await;
    let mut places = vec![gap(&mut follower).await];
    let events: Vec<_> = (0..20).map(|_| event()).collect();
    for event in &events {
        feed.publish(chat, event.clone()).await;
        places.push(heard(&mut follower, event).await);
    }
    drop(follower);
    // Nobody follows, and it goes on.
    let missed = event();
    feed.publish(chat, missed.clone()).await;
    for (n, place) in places.into_iter().enumerate() {
        let mut follower = feed.follow(chat, Some(place)).await;
        for event in &events[n..] {
            heard(&mut follower, event).await;
        }
        heard(&mut follower, &missed).await;
    }
}

async fn a_place_of_another_feed_is_a_gap(bus: &Bus) {
    let chat = chat();
    let place = {
        let feed = bus.open().await;
        let mut follower = feed.follow(chat, None).await;
        gap(&mut follower).await;
        let event = event();
        feed.publish(chat, event.clone()).await;
        heard(&mut follower, &event).await
    };
    let feed = bus.open().await;
    let forged = FeedPosition {
        sequence: u64::MAX,
        ..place
    };
    for place in [place, forged] {
        let mut follower = feed.follow(chat, Some(place)).await;
        gap(&mut follower).await;
        let event = event();
        feed.publish(chat, event.clone()).await;
        heard(&mut follower, &event).await;
    }
}

async fn a_follower_that_lags_too_far_is_told_of_a_gap_and_hears_what_comes(bus: &Bus) {
    let (feed, chat) = (bus.open().await, chat());
    let mut follower = feed.follow(chat, None).await;
    gap(&mut follower).await;
    let held: Vec<_> = (0..EVENTS_MAX).map(|_| event()).collect();
    publish_all(&*feed, chat, &held).await;
    // As many as are held come whole.
    for event in &held {
        heard(&mut follower, event).await;
    }
    let more: Vec<_> = (0..=EVENTS_MAX).map(|_| event()).collect();
    publish_all(&*feed, chat, &more).await;
    gap(&mut follower).await;
    let late = event();
    feed.publish(chat, late.clone()).await;
    heard(&mut follower, &late).await;
}

/// Publishes, and waits until all of it is there to be heard.
async fn publish_all(feed: &dyn Feed, chat: ChatId, events: &[ChatEvent]) {
    let mut witness = feed.follow(chat, None).await;
    gap(&mut witness).await;
    for event in events {
        feed.publish(chat, event.clone()).await;
        heard(&mut witness, event).await;
    }
}

async fn a_publisher_waits_for_no_follower(bus: &Bus) {
    let (feed, chat) = (bus.open().await, chat());
    let _never_polled = feed.follow(chat, None).await;
    for _ in 0..10 * EVENTS_MAX {
        assert!(feed.publish(chat, event()).now_or_never().is_some());
    }
}

async fn what_was_published_before_a_flush_is_received(bus: &Bus) {
    let (feed, chat) = (bus.open().await, chat());
    let mut follower = feed.follow(chat, None).await;
    gap(&mut follower).await;
    let events: Vec<_> = (0..100).map(|_| event()).collect();
    for event in &events {
        feed.publish(chat, event.clone()).await;
    }
    assert!(feed.flush().await);
    for event in &events {
        heard(&mut follower, event).await;
    }
}

fn typing(user: i64, is_typing: bool) -> Typing {
    Typing {
        user_id: UserId::Int(user),
        is_typing,
        until: Timestamp::from_millis(8_000),
    }
}

async fn typing_is_sent_once_in_order_and_takes_no_place(bus: &Bus) {
    let (feed, chat) = (bus.open().await, chat());
    let mut follower = feed.follow(chat, None).await;
    let start = gap(&mut follower).await;
    let (first, second) = (event(), event());
    feed.publish(chat, first.clone()).await;
    // More than the log could hold.
    for n in 0..=EVENTS_MAX {
        feed.publish_typing(chat, typing(7, n % 2 == 0)).await;
    }
    feed.publish(chat, second.clone()).await;
    let behind = heard(&mut follower, &first).await;
    let mut states = Vec::new();
    let last = loop {
        match next(&mut follower).await {
            Followed::Typing(state) => states.push(state),
            Followed::Event(position, event, _) => {
                assert_eq!(event, second);
                break position;
            }
            other => panic!("{other:?}"),
        }
    };
    // A subscriber that is late receives the latest state alone.
    assert_eq!(states.last(), Some(&typing(7, true)));
    assert_eq!(last.sequence, behind.sequence + 1);
    // Whoever resumes receives each event, and no old typing.
    let mut resumed = feed.follow(chat, Some(start)).await;
    heard(&mut resumed, &first).await;
    heard(&mut resumed, &second).await;
    assert!(resumed.next().now_or_never().is_none());
    feed.publish_typing(chat, typing(8, true)).await;
    for follower in [&mut follower, &mut resumed] {
        assert_eq!(next(follower).await, Followed::Typing(typing(8, true)));
    }
}

async fn typing_of_many_users_is_bounded(bus: &Bus) {
    let (feed, chat) = (bus.open().await, chat());
    let mut late = feed.follow(chat, None).await;
    gap(&mut late).await;
    let mut witness = feed.follow(chat, None).await;
    gap(&mut witness).await;
    let users = TYPISTS_MAX as i64 + 4;
    for user in 0..users {
        feed.publish_typing(chat, typing(user, true)).await;
        assert_eq!(next(&mut witness).await, Followed::Typing(typing(user, true)));
    }
    for user in users - TYPISTS_MAX as i64..users {
        assert_eq!(next(&mut late).await, Followed::Typing(typing(user, true)));
    }
    assert!(late.next().now_or_never().is_none());
}
