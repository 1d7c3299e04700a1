//! Sessions end with their tokens, and with their users.

use std::sync::Arc;
use std::time::Duration;

use colloquy::auth::Authenticator;
use colloquy::bot::BuiltinBot;
use colloquy::config::{AuthConfig, JwtKey, Limits};
use colloquy::domain::{Clock, SystemClock, Timestamp, UserId};
use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{FOLLOW, chat, code, data, reply, server, socket, user};
use crate::on_both_stores;
use crate::support::mongod::Mongod;
use crate::support::mt::Mt;
use crate::support::parts::Parts;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::{Received, Socket};
use crate::support::tokens::{SECRET, SERVICE_SCOPE, Token, now};

on_both_stores! {
    a_token_that_expires_ends_its_sockets_within_a_second_and_no_piece_comes_after,
    a_user_who_is_revoked_is_out_within_a_second_and_stays_out,
    a_server_whose_clock_is_wrong_learns_a_revocation_within_a_second,
}

/// A bot that speaks until it is stopped, and clocks that are taken at their word.
const ENDLESS: [&str; 8] = [
    "--builtin-pace",
    "20",
    "--builtin-words",
    "100000",
    "--jwt-leeway-seconds",
    "0",
    "--limit",
    "streams-per-user=1000",
];
const SUBSCRIPTIONS: usize = 200;
const REVOKE: &str = "mutation ($user: UserId!) { revokeUser(input: {userId: $user}) { userId revokedAt } }";

/// The moment, in milliseconds.
fn moment() -> i64 {
    use colloquy::domain::{Clock, SystemClock};
    SystemClock.now().millis()
}

/// Reads to the end: when that was, and with what code and words.
async fn end_of(mut socket: Socket) -> (i64, u16, String) {
    loop {
        match socket.receive().await {
            Received::Message(message) => assert_eq!(message["type"], "next", "{message}"),
            // A socket has no end but one: whatever came after it would break the next reading.
            Received::Closed(code, reason) => return (moment(), code, reason),
        }
    }
}

async fn followers(server: &Server, token: &str, reply: &str, count: usize) -> Vec<Socket> {
    let followers = (0..count).map(async |_| {
        let mut socket = socket(server, token).await;
        socket.subscribe("1", FOLLOW, json!({ "id": reply })).await;
        assert_eq!(socket.message().await["type"], "next");
        socket
    });
    join_all(followers).await
}

/// That each of these ended as one whose token is good no longer, within a second of a moment.
fn assert_ended(ends: &[(i64, u16, String)], at: i64) {
    let late: Vec<_> = ends.iter().map(|(ended_at, ..)| ended_at - at).collect();
    for (_, code, reason) in ends {
        assert_eq!((*code, reason.as_str()), (4403, "Forbidden"));
    }
    let (first, last) = (late.iter().min().unwrap(), late.iter().max().unwrap());
    assert!(
        (0..=1_000).contains(first) && (0..=1_000).contains(last),
        "from {first} to {last} ms after"
    );
}

async fn a_token_that_expires_ends_its_sockets_within_a_second_and_no_piece_comes_after(scratch: &Scratch) {
    let server = server(scratch, &ENDLESS);
    let lasting = Token::of("asha").signed();
    let chat = chat(&server, &lasting).await;
    let reply = reply(&server, &lasting, &chat).await;
    // Long enough that all of them are there before.
    let expires_at = now() + 15;
    let passing = Token::of("asha").claim("exp", expires_at).signed();
    let followers = followers(&server, &passing, &reply, SUBSCRIPTIONS).await;
    let mut lasting_one = socket(&server, &lasting).await;
    assert!(moment() < expires_at * 1_000, "they came too late to see it");
    let ends = join_all(followers.into_iter().map(end_of)).await;
    assert_ended(&ends, expires_at * 1_000);
    assert_eq!(user(&server, &passing).await, Err(StatusCode::UNAUTHORIZED));
    // Who has a better one is not touched, and neither is the reply.
    lasting_one.subscribe("1", FOLLOW, json!({ "id": reply })).await;
    for _ in 0..3 {
        assert_eq!(lasting_one.message().await["type"], "next");
    }
}

async fn a_user_who_is_revoked_is_out_within_a_second_and_stays_out(scratch: &Scratch) {
    let server = server(scratch, &ENDLESS);
    let (asha, ravi) = (Token::of("asha").signed(), Token::of("ravi").signed());
    let service = Token::of("backend").scope(SERVICE_SCOPE).signed();
    let chat = chat(&server, &asha).await;
    let reply = reply(&server, &asha, &chat).await;
    let followers = followers(&server, &asha, &reply, SUBSCRIPTIONS).await;
    let mut ravis = socket(&server, &ravi).await;
    let mut services = socket(&server, &service).await;
    for token in [&asha, &ravi] {
        assert_eq!(
            code(&server, token, REVOKE, json!({ "user": "asha" })).await,
            "FORBIDDEN"
        );
    }
    let before = moment();
    let ends = followers.into_iter().map(end_of);
    let (revoked, ends) = tokio::join!(
        data(&server, &service, REVOKE, json!({ "user": "asha" })),
        join_all(ends)
    );
    assert_eq!(revoked["revokeUser"]["userId"], "asha");
    assert_ended(&ends, before);
    assert_eq!(user(&server, &asha).await, Err(StatusCode::UNAUTHORIZED));
    // One that is issued afterwards is as good as any.
    assert_eq!(
        user(&server, &Token::of("asha").issued_in(1).signed()).await,
        Ok(json!("asha"))
    );
    // One that does not say when it was issued could be older than anything.
    let undated = Token::of("asha").claim("iat", Value::Null).signed();
    assert_eq!(user(&server, &undated).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(user(&server, &ravi).await, Ok(json!("ravi")));
    for socket in [&mut ravis, &mut services] {
        socket.send(json!({ "type": "ping" })).await;
        socket.expect(json!({ "type": "pong" })).await;
    }
    assert!(server.stop().0.success());
    // It is remembered.
    let server = self::server(scratch, &ENDLESS);
    assert_eq!(user(&server, &asha).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(user(&server, &ravi).await, Ok(json!("ravi")));
}

/// The machine's clock, so many milliseconds ahead.
struct Ahead(i64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_millis(self.0)
    }
}

async fn a_server_whose_clock_is_wrong_learns_a_revocation_within_a_second(scratch: &Scratch) {
    let store = scratch.open().await;
    let users = [-7_200_000, 7_200_000].map(|ahead| (ahead, UserId::Text(format!("asha {ahead}"))));
    for (ahead, user) in users {
        let clock = Arc::new(Ahead(ahead));
        // Tokens are verified by the right time, so that the wrong one matters to revocations alone.
        let keys = AuthConfig::of_keys(vec![JwtKey::parse(SECRET).unwrap()]);
        let authenticator = Authenticator::new(&keys, Arc::new(SystemClock)).unwrap();
        let bot = BuiltinBot::new(0.0, 0);
        let parts = Parts::over(store.clone(), clock, bot, Limits::default(), Some(authenticator));
        let service = parts.service;
        service.learn_revocations().await.unwrap();
        let watch = tokio::spawn({
            let service = service.clone();
            async move { service.keep_watch().await }
        });
        let token = Token::of(user.to_string())
            .issued_in(-5)
            .expires_in(14_400)
            .signed();
        let session = service.enter(Some(&token), None).await.unwrap();
        // As another server does it.
        store.revoke(&user).await.unwrap();
        let over = tokio::time::timeout(Duration::from_secs(1), session.over());
        assert!(over.await.is_ok(), "{ahead} ms");
        watch.abort();
    }
}

#[tokio::test]
async fn a_user_who_is_revoked_on_one_server_is_out_on_all_within_a_second() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (server(&scratch, &ENDLESS), server(&scratch, &ENDLESS));
    let asha = Token::of(7).signed();
    let service = Token::of("backend").scope(SERVICE_SCOPE).signed();
    let chat = chat(&a, &asha).await;
    let reply = reply(&a, &asha, &chat).await;
    let mut everybody = followers(&a, &asha, &reply, SUBSCRIPTIONS / 2).await;
    everybody.extend(followers(&b, &asha, &reply, SUBSCRIPTIONS / 2).await);
    let before = moment();
    let ends = join_all(everybody.into_iter().map(end_of));
    let (_, ends) = tokio::join!(data(&a, &service, REVOKE, json!({ "user": 7 })), ends);
    assert_ended(&ends, before);
    for server in [&a, &b] {
        assert_eq!(user(server, &asha).await, Err(StatusCode::UNAUTHORIZED));
    }
    scratch.remove().await;
}

#[tokio::test]
async fn a_ping_with_a_fresh_token_goes_on_and_one_with_somebody_elses_ends_it() {
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &ENDLESS);
    let lasting = Token::of("asha").signed();
    let chat = chat(&server, &lasting).await;
    let reply = reply(&server, &lasting, &chat).await;
    let ping =
        |token: &str| json!({ "type": "ping", "payload": { "authorization": format!("Bearer {token}") } });
    let expires_at = now() + 3;
    let passing = Token::of("asha").claim("exp", expires_at).signed();
    let mut renewed = socket(&server, &passing).await;
    renewed.send(ping(&lasting)).await;
    // The token is not sent back.
    renewed.expect(json!({ "type": "pong" })).await;
    renewed.subscribe("1", FOLLOW, json!({ "id": reply })).await;
    while moment() <= (expires_at + 1) * 1_000 {
        assert_eq!(renewed.message().await["type"], "next");
    }
    for token in [Token::of("ravi").signed(), "nonsense".to_owned()] {
        let mut socket = socket(&server, &lasting).await;
        socket.send(ping(&token)).await;
        socket.expect_close(4403).await;
    }
    // Whoever is not let in yet is not by a ping.
    let mut early = Socket::open(&server).await;
    early.send(ping(&lasting)).await;
    early.subscribe("1", FOLLOW, json!({ "id": reply })).await;
    assert_eq!(early.drain().await.1, 4401);
}

#[tokio::test]
async fn what_a_socket_brings_twice_must_be_of_one_user() {
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &[]);
    let (asha, ravi) = (Token::of("asha").signed(), Token::of("ravi").signed());
    let by_header = async |token: &str| {
        let header = format!("Bearer {token}");
        Socket::with_header(&server, "Authorization", &header).await
    };
    let viewer = "{ viewer { userId } }";
    let init = |token: &str| json!({ "type": "connection_init", "payload": { "Authorization": format!("Bearer {token}") } });
    let mut alone = by_header(&asha).await.unwrap();
    alone.send(json!({ "type": "connection_init" })).await;
    alone.expect(json!({ "type": "connection_ack" })).await;
    alone.subscribe("1", viewer, Value::Null).await;
    assert_eq!(
        alone.message().await["payload"]["data"]["viewer"]["userId"],
        "asha"
    );
    let mut both = by_header(&asha).await.unwrap();
    both.send(init(&asha)).await;
    both.expect(json!({ "type": "connection_ack" })).await;
    let mut two = by_header(&asha).await.unwrap();
    two.send(init(&ravi)).await;
    two.expect_close(4403).await;
    assert_eq!(by_header("nonsense").await.err(), Some(401));
}

#[tokio::test]
async fn event_streams_and_documented_sockets_end_with_their_tokens_too() {
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &ENDLESS);
    let lasting = Token::of("asha").signed();
    let chat = chat(&server, &lasting).await;
    let reply = reply(&server, &lasting, &chat).await;
    let passing = Token::of("asha").expires_in(3).signed();
    let mut mt = Mt::open_at(&server, &format!("/chat/ws/{chat}?token={passing}")).await;
    let stream = async |accept: &str| {
        let request = reqwest::Client::new()
            .post(server.at("/graphql"))
            .bearer_auth(&passing);
        let request = request.header("accept", accept);
        let request = request.json(&json!({ "query": FOLLOW, "variables": { "id": reply } }));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.bytes_stream().map(|bytes| bytes.unwrap());
        let body = body.fold(Vec::new(), async |body, bytes| [body, bytes.to_vec()].concat());
        let body = tokio::time::timeout(Duration::from_secs(20), body).await;
        String::from_utf8(body.expect("it goes on without a token")).unwrap()
    };
    let closed = async {
        loop {
            match mt.receive().await {
                Some(Ok(tokio_tungstenite::tungstenite::Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let parts = "multipart/mixed;subscriptionSpec=1.0,application/json";
    let (events, parts, frame) = tokio::join!(stream("text/event-stream"), stream(parts), closed);
    assert!(
        events.contains("event: next") && !events.contains("event: complete"),
        "{events}"
    );
    assert!(parts.contains("UNAUTHENTICATED"), "{parts}");
    assert_eq!(u16::from(frame.unwrap().code), 4403);
    // Another one takes the socket up where it was.
    let mut mt = Mt::open_at(&server, &format!("/chat/ws/{chat}?token={lasting}")).await;
    assert!(mt.receive().await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_under_way_is_answered_before_its_session_ends() {
    const CREATE: &str = "mutation { createChat(input: { title: \"A chat\" }) { chat { id } } }";
    let mongod = Mongod::start().await;
    let scratch = Scratch::on_mongod(&mongod.uri("owner", "colloquy"));
    let server = server(&scratch, &ENDLESS);
    let passing = Token::of("asha").expires_in(3).signed();
    let mut idle = socket(&server, &passing).await;
    let mut busy = socket(&server, &passing).await;
    mongod.freeze();
    busy.subscribe("1", CREATE, Value::Null).await;
    idle.expect_close(4403).await;
    mongod.thaw();
    // Or else the client would send it again with its next token.
    let answer = busy.message().await;
    assert!(
        answer["payload"]["data"]["createChat"]["chat"]["id"].is_string(),
        "{answer}"
    );
    assert_eq!(busy.drain().await.1, 4403);
}
