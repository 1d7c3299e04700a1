//! What happens to Redis itself: it goes back to an older state, is full, or does not say who it is. Whoever follows a
//! chat receives each event, or is told to read again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use colloquy::domain::{ChatEvent, ChatId, FeedPosition, MessageId};
use colloquy::feed::{Feed, Followed, Follower, RedisFeed};
use futures_util::StreamExt;
use redis::AsyncCommands;
use redis::streams::StreamRangeReply;

use crate::support::make;
use crate::support::redis::Redis;

/// How long a feed may take to find out about Redis.
const WITHIN: Duration = Duration::from_secs(20);
/// How often a Redis that is full refuses before the test goes on: several times for each of two servers.
const REFUSALS: u64 = 10;
/// How long a flush may take without Redis.
const FLUSH_WITHIN: Duration = Duration::from_millis(1_500);
/// What a user is permitted who may not ask Redis for its run.
const NO_INFO: [&str; 10] = [
    "on",
    ">x",
    "~test-*",
    "&test-*",
    "+@connection",
    "+@pubsub",
    "+@scripting",
    "+@read",
    "+@write",
    "+time",
];
/// How long a text is kept after its end, in milliseconds.
const ENDED_KEPT_MS: i64 = 30_000;

async fn connect(redis: &Redis, url: &str) -> RedisFeed {
    let id = make::id();
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).unwrap();
    let feed = RedisFeed::connect(url, &redis.prefix, &id.to_string(), u64::from_ne_bytes(seed)).await;
    feed.unwrap()
}

fn chat() -> ChatId {
    make::chat().id
}

fn event() -> ChatEvent {
    ChatEvent::message_added(&make::message(chat()))
}

async fn next(follower: &mut Follower) -> Followed {
    let next = tokio::time::timeout(WITHIN, follower.next()).await;
    next.expect("nothing was told").unwrap()
}

/// Follows a chat from now on.
async fn follow(feed: &RedisFeed, chat: ChatId) -> Follower {
    let mut follower = feed.follow(chat, None).await;
    assert!(matches!(next(&mut follower).await, Followed::Gap(_)));
    follower
}

/// Publishes, and waits until it is received.
async fn tell(feed: &RedisFeed, follower: &mut Follower, chat: ChatId, event: &ChatEvent) -> FeedPosition {
    feed.publish(chat, event.clone()).await;
    let Followed::Event(position, heard, _) = next(follower).await else {
        panic!("no event");
    };
    assert!(is_about_same(&heard, event), "{heard:?}");
    position
}

/// Reads on to the last of these events, of which none may be missing unless there is a gap: how many gaps there were.
async fn read_to(
    follower: &mut Follower,
    (publisher, chat): (&RedisFeed, ChatId),
    mut events: &[ChatEvent],
) -> usize {
    let mut gaps = 0;
    let last = events.last().unwrap();
    loop {
        match next(follower).await {
            Followed::Gap(_) => {
                gaps += 1;
                // Whoever is told to read again is not told what is found there.
                publisher.publish(chat, last.clone()).await;
            }
            Followed::Typing(_) => {}
            Followed::Event(_, event, _) => {
                let place = events.iter().position(|expected| is_about_same(expected, &event));
                // After a gap an event of before may come once more than needed.
                let Some(place) = place else {
                    assert!(gaps > 0, "an event of before: {event:?}");
                    continue;
                };
                assert!(place == 0 || gaps > 0, "{place} events are gone without a gap");
                if is_about_same(&event, last) {
                    return gaps;
                }
                events = &events[place + 1..];
            }
        }
    }
}

/// Whether two events are one: published again, or right behind a reset, it comes without its content.
fn is_about_same(one: &ChatEvent, other: &ChatEvent) -> bool {
    one.message_id() == other.message_id()
}

/// Reads on to one event, whatever else comes: how many gaps came before.
async fn read_until(follower: &mut Follower, to: (&RedisFeed, ChatId), event: &ChatEvent) -> usize {
    let mut gaps = 0;
    loop {
        match next(follower).await {
            Followed::Gap(_) => {
                gaps += 1;
                to.0.publish(to.1, event.clone()).await;
            }
            Followed::Event(_, told, _) if is_about_same(&told, event) => return gaps,
            _ => {}
        }
    }
}

/// Whoever comes back with one of these cursors is told of a gap.
async fn assert_gap_after(redis: &Redis, chat: ChatId, cursors: &[FeedPosition]) {
    for cursor in cursors {
        let mut resumed = connect(redis, &redis.url())
            .await
            .follow(chat, Some(*cursor))
            .await;
        assert!(matches!(next(&mut resumed).await, Followed::Gap(_)));
    }
}

/// Waits until a feed has found out whether Redis is there. Nothing tells it that could be awaited.
async fn until_up(feed: &RedisFeed, is_up: bool) {
    let deadline = Instant::now() + WITHIN;
    while feed.is_up() != is_up {
        assert!(Instant::now() < deadline, "it does not find out");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_went_back_and_went_on_without_us_is_a_gap() {
    let mut redis = Redis::start();
    let (a, b) = (
        connect(&redis, &redis.url()).await,
        connect(&redis, &redis.url()).await,
    );
    let chat = chat();
    let mut follower = follow(&b, chat).await;
    tell(&a, &mut follower, chat, &event()).await;
    redis.save().await;
    // A replica that lagged: it does not have what comes now.
    let replica = redis.start_another_as_saved();
    let mut cursors = Vec::new();
    for _ in 0..2 {
        cursors.push(tell(&a, &mut follower, chat, &event()).await);
    }
    // It becomes the primary, and somebody goes on there with the same numbers.
    let elsewhere = connect(&replica, &replica.url()).await;
    let mut witness = follow(&elsewhere, chat).await;
    let continued: Vec<_> = (0..3).map(|_| event()).collect();
    for event in &continued {
        tell(&elsewhere, &mut witness, chat, event).await;
    }
    replica.save().await;
    // And we reach it in the old one's place.
    redis.take_over_from(&replica);
    until_up(&a, false).await;
    until_up(&a, true).await;
    let last = event();
    a.publish(chat, last.clone()).await;
    let missed: Vec<_> = continued.iter().chain([&last]).cloned().collect();
    assert!(read_to(&mut follower, (&a, chat), &missed).await > 0);
    // The numbers of before stand for other events.
    assert_gap_after(&redis, chat, &cursors).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_starts_from_an_older_dump_costs_no_event_unseen() {
    let mut redis = Redis::start();
    let (a, b) = (
        connect(&redis, &redis.url()).await,
        connect(&redis, &redis.url()).await,
    );
    let chat = chat();
    let mut follower = follow(&b, chat).await;
    let first = tell(&a, &mut follower, chat, &event()).await;
    redis.save().await;
    let second = tell(&a, &mut follower, chat, &event()).await;
    redis.restart_as_saved();
    let events: Vec<_> = (0..3).map(|_| event()).collect();
    a.publish(chat, events[0].clone()).await;
    for feed in [&a, &b] {
        until_up(feed, true).await;
    }
    for event in &events[1..] {
        a.publish(chat, event.clone()).await;
    }
    read_to(&mut follower, (&a, chat), &events).await;
    assert_gap_after(&redis, chat, &[first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_another_run_than_the_others_publishes_nothing_unseen() {
    let redis = Redis::start();
    let (a, b) = (
        connect(&redis, &redis.url()).await,
        connect(&redis, &redis.url()).await,
    );
    let chat = chat();
    let mut follower = follow(&b, chat).await;
    tell(&a, &mut follower, chat, &event()).await;
    // As if another server had found Redis to be another.
    let key = format!("{}run", redis.prefix);
    let mut connection = redis.connection().await;
    let known: String = connection.get(&key).await.unwrap();
    let mut events = Vec::new();
    while a.is_up() {
        let () = connection.set(&key, "another").await.unwrap();
        events.push(event());
        a.publish(chat, events.last().unwrap().clone()).await;
    }
    until_up(&a, true).await;
    events.push(event());
    a.publish(chat, events.last().unwrap().clone()).await;
    assert!(read_to(&mut follower, (&a, chat), &events).await > 0);
    assert_eq!(connection.get::<_, String>(&key).await.unwrap(), known);
}

/// What it had stored and not published, nobody else knows.
#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_a_server_is_a_gap_for_everybody_and_its_end_is_none() {
    let redis = Redis::start();
    let [ending, dying, living] = [
        connect(&redis, &redis.url()).await,
        connect(&redis, &redis.url()).await,
        connect(&redis, &redis.url()).await,
    ];
    let chat = chat();
    let mut follower = follow(&living, chat).await;
    let cursor = tell(&dying, &mut follower, chat, &event()).await;
    let heartbeats = async || {
        let mut connection = redis.connection().await;
        let servers = format!("{}servers", redis.prefix);
        connection.zcard::<_, usize>(servers).await.unwrap()
    };
    // Each has one, once it is connected.
    while heartbeats().await < 3 {
        tokio::task::yield_now().await;
    }
    ending.leave().await;
    drop(ending);
    assert_eq!(heartbeats().await, 2);
    drop(dying);
    assert!(matches!(next(&mut follower).await, Followed::Gap(_)));
    assert_eq!(heartbeats().await, 1);
    // Also for whoever comes back later.
    assert_gap_after(&redis, chat, &[cursor]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_does_not_say_who_it_is_serves_as_well() {
    let redis = Redis::start();
    redis.permit("colloquy", &NO_INFO).await;
    let url = redis.url_of("colloquy");
    let (a, b) = (connect(&redis, &url).await, connect(&redis, &url).await);
    let chat = chat();
    let mut follower = follow(&b, chat).await;
    let events = [event(), event()];
    for event in &events {
        a.publish(chat, event.clone()).await;
    }
    read_to(&mut follower, (&a, chat), &events).await;
    // It may be another with each connection, so another server that comes is a gap, and no more than that.
    let c = connect(&redis, &url).await;
    let late = event();
    c.publish(chat, late.clone()).await;
    read_to(&mut follower, (&c, chat), &[late]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_dump_that_takes_long_to_load_is_another_run_also_where_redis_does_not_say_it() {
    let mut redis = Redis::start();
    redis.permit("colloquy", &NO_INFO).await;
    let url = redis.url_of("colloquy");
    let (a, b) = (connect(&redis, &url).await, connect(&redis, &url).await);
    let chat = chat();
    let mut follower = follow(&b, chat).await;
    let settled = event();
    a.publish(chat, settled.clone()).await;
    read_until(&mut follower, (&a, chat), &settled).await;
    // As many as it takes some seconds to load.
    let mut connection = redis.connection().await;
    for n in 0..300 {
        let () = connection
            .set(format!("filling:{n}"), "x".repeat(2_048))
            .await
            .unwrap();
    }
    redis.save().await;
    let cursor = tell(&a, &mut follower, chat, &event()).await;
    redis.restart_slowly("colloquy", &NO_INFO);
    for feed in [&a, &b] {
        until_up(feed, true).await;
    }
    // If the old stream went on, this event would have the number of the last one.
    let late = event();
    a.publish(chat, late.clone()).await;
    read_until(&mut follower, (&a, chat), &late).await;
    let mut resumed = b.follow(chat, Some(cursor)).await;
    assert!(matches!(next(&mut resumed).await, Followed::Gap(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_waits_until_everything_that_was_published_is_in_redis() {
    let redis = Redis::start();
    let feed = connect(&redis, &redis.url()).await;
    let chat = chat();
    let count = 1_000;
    for _ in 0..count {
        feed.publish(chat, event()).await;
    }
    assert!(feed.flush().await);
    let mut connection = redis.connection().await;
    let stream = format!("{}chat:{chat}", redis.prefix);
    let last: StreamRangeReply = connection.xrevrange_count(stream, "+", "-", 1).await.unwrap();
    let (_, number) = last.ids[0].id.split_once('-').unwrap();
    assert_eq!(number, count.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_after_an_outage_tells_the_others_of_a_gap_and_without_redis_gives_up_soon() {
    let redis = Redis::start();
    redis
        .permit("cut-off", &["on", ">x", "allkeys", "allchannels", "allcommands"])
        .await;
    let (a, b) = (
        connect(&redis, &redis.url_of("cut-off")).await,
        connect(&redis, &redis.url()).await,
    );
    let chat = chat();
    let mut follower = follow(&b, chat).await;
    tell(&a, &mut follower, chat, &event()).await;
    // The one server alone: the other notices nothing.
    redis.permit("cut-off", &["off"]).await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("USER").arg("cut-off");
    kill.query_async::<()>(&mut redis.connection().await)
        .await
        .unwrap();
    until_up(&a, false).await;
    a.publish(chat, event()).await;
    let begun = Instant::now();
    // Several, so that the next attempt to connect would be far away.
    for _ in 0..3 {
        assert!(!a.flush().await);
    }
    assert!(begun.elapsed() < 3 * FLUSH_WITHIN, "{:?}", begun.elapsed());
    redis.permit("cut-off", &["on"]).await;
    assert!(a.flush().await);
    assert!(matches!(next(&mut follower).await, Followed::Gap(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_full_is_asked_again_over_the_same_connection_until_there_is_room() {
    let redis = Redis::start();
    let (a, b) = (
        connect(&redis, &redis.url()).await,
        connect(&redis, &redis.url()).await,
    );
    let chat = chat();
    let (mut near, mut far) = (follow(&a, chat).await, follow(&b, chat).await);
    let mut connection = redis.connection().await;
    let mut config = redis::cmd("CONFIG");
    config.arg("SET").arg("maxmemory");
    let limit = |limit: &str| {
        let mut config = config.clone();
        config.arg(limit);
        config
    };
    limit("1mb").query_async::<()>(&mut connection).await.unwrap();
    let before = redis.figure("total_connections_received").await;
    let enough = Redis::figure_over(&mut connection, "total_error_replies").await + REFUSALS;
    let deadline = Instant::now() + WITHIN;
    while a.is_up() || Redis::figure_over(&mut connection, "total_error_replies").await < enough {
        assert!(Instant::now() < deadline, "Redis is not asked again");
        // Subscribers of the same server receive it all the same.
        let event = event();
        a.publish(chat, event.clone()).await;
        read_until(&mut near, (&a, chat), &event).await;
    }
    // This look is one by itself.
    let made = redis.figure("total_connections_received").await - before;
    assert_eq!(made, 1);
    limit("0").query_async::<()>(&mut connection).await.unwrap();
    for feed in [&a, &b] {
        until_up(feed, true).await;
    }
    let last = event();
    a.publish(chat, last.clone()).await;
    // What was published meanwhile is not received here, and that is not hidden.
    assert!(read_until(&mut far, (&a, chat), &last).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_that_comes_after_the_end_of_a_reply_keeps_its_text_no_longer() {
    let redis = Redis::start();
    let feed = connect(&redis, &redis.url()).await;
    let fleet: Arc<_> = feed.fleet().unwrap();
    let mut connection = redis.connection().await;
    for has_text in [true, false] {
        let reply = MessageId(make::id());
        let key = format!("{}reply:{reply}", redis.prefix);
        if has_text {
            fleet.carry(reply, 0, "abc").await.unwrap();
            let kept: i64 = connection.pttl(&key).await.unwrap();
            assert!(kept > ENDED_KEPT_MS, "{kept}");
        }
        fleet.end(reply).await;
        let length = if has_text { 3 } else { 0 };
        assert_eq!(fleet.carry(reply, length, "def").await, Ok(length + 3));
        let kept: i64 = connection.pttl(&key).await.unwrap();
        assert!((1..=ENDED_KEPT_MS).contains(&kept), "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nobody_is_connected_any_more_is_sent_again_where_redis_refused_it() {
    let redis = Redis::start();
    redis
        .permit("limited", &["on", ">x", "allkeys", "allchannels", "allcommands"])
        .await;
    let (a, b) = (
        connect(&redis, &redis.url_of("limited")).await,
        connect(&redis, &redis.url()).await,
    );
    let room = chat().to_string();
    let (at_a, at_b) = (a.fleet().unwrap(), b.fleet().unwrap());
    let until = async |count: usize| {
        let deadline = Instant::now() + WITHIN;
        while at_b.connections(std::slice::from_ref(&room)).await != [count] {
            assert!(Instant::now() < deadline, "never {count}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    at_a.announce(&room, 1);
    until(1).await;
    redis.permit("limited", &["-hdel"]).await;
    at_a.announce(&room, 0);
    until_up(&a, false).await;
    redis.permit("limited", &["+hdel"]).await;
    until(0).await;
}
