//! What every feed must do, declared once and run on each.

use std::sync::Arc;

use colloquy::domain::{ChatEvent, ChatId, FeedPosition, MessageId};
use colloquy::feed::local::EVENTS_MAX;
use colloquy::feed::{Feed, Followed, Follower, LocalFeed};
use futures_util::{FutureExt, StreamExt};

use crate::support::make;

macro_rules! on_every_feed {
    ($($case:ident),+ $(,)?) => {
        mod local {
            $(
                #[tokio::test]
                async fn $case() {
                    let open = || Arc::new(LocalFeed::new(u64::from_ne_bytes(seed()))) as Arc<dyn super::Feed>;
                    super::$case(&open).await;
                }
            )+

            use super::{Arc, LocalFeed, seed};
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
}

fn seed() -> [u8; 8] {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).unwrap();
    seed
}

type Open<'a> = &'a dyn Fn() -> Arc<dyn Feed>;

fn chat() -> ChatId {
    make::chat().id
}

fn event() -> ChatEvent {
    ChatEvent::MessageAdded(MessageId(make::id()))
}

async fn next(follower: &mut Follower) -> Followed {
    let next = tokio::time::timeout(std::time::Duration::from_secs(10), follower.next());
    next.await.expect("nothing was told").unwrap()
}

async fn gap(follower: &mut Follower) -> FeedPosition {
    match next(follower).await {
        Followed::Gap(position) => position,
        Followed::Event(..) => panic!("no gap"),
    }
}

async fn heard(follower: &mut Follower, event: &ChatEvent) -> FeedPosition {
    match next(follower).await {
        Followed::Event(position, heard) => {
            assert_eq!(&heard, event);
            position
        }
        Followed::Gap(_) => panic!("a gap"),
    }
}

async fn a_new_follower_begins_with_a_gap_and_hears_what_comes(open: Open<'_>) {
    let (feed, chat) = (open(), chat());
    feed.publish(chat, event()).await;
    let mut follower = feed.follow(chat, None).await;
    let late = event();
    // Between the following and the first look at it: no event is lost.
    feed.publish(chat, late.clone()).await;
    gap(&mut follower).await;
    heard(&mut follower, &late).await;
    assert!(follower.next().now_or_never().is_none());
}

async fn events_come_in_order_to_every_follower_of_their_chat_alone(open: Open<'_>) {
    let (feed, one, other) = (open(), chat(), chat());
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

async fn a_follower_goes_on_from_any_place_that_is_known(open: Open<'_>) {
    let (feed, chat) = (open(), chat());
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

async fn a_place_of_another_feed_is_a_gap(open: Open<'_>) {
    let chat = chat();
    let place = {
        let feed = open();
        let mut follower = feed.follow(chat, None).await;
        gap(&mut follower).await;
        let event = event();
        feed.publish(chat, event.clone()).await;
        heard(&mut follower, &event).await
    };
    let feed = open();
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

async fn a_follower_that_lags_too_far_is_told_of_a_gap_and_hears_what_comes(open: Open<'_>) {
    let (feed, chat) = (open(), chat());
    let mut follower = feed.follow(chat, None).await;
    gap(&mut follower).await;
    let last_but_none = {
        let events: Vec<_> = (0..EVENTS_MAX).map(|_| event()).collect();
        for event in &events {
            feed.publish(chat, event.clone()).await;
        }
        events
    };
    // As many as are held come whole.
    for event in &last_but_none {
        heard(&mut follower, event).await;
    }
    for _ in 0..=EVENTS_MAX {
        feed.publish(chat, event()).await;
    }
    gap(&mut follower).await;
    let late = event();
    feed.publish(chat, late.clone()).await;
    heard(&mut follower, &late).await;
}

async fn a_publisher_waits_for_no_follower(open: Open<'_>) {
    let (feed, chat) = (open(), chat());
    let _never_polled = feed.follow(chat, None).await;
    for _ in 0..10 * EVENTS_MAX {
        assert!(feed.publish(chat, event()).now_or_never().is_some());
    }
}
