//! How often one may ask, and how much one may have at once.

use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::{FOLLOW, SEND, ask, chat, code, data, reply, send, server, socket, user};
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::{Received, Socket};
use crate::support::tokens::{SERVICE_SCOPE, Token};

/// A limit that is reached in a test.
const FEW: usize = 5;

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_back_and_nobody_else_is() {
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &["--limit", "operations-per-minute=5"]);
    let (asha, ravi) = (Token::of("asha").signed(), Token::of("ravi").signed());
    let service = Token::of("asha").scope(SERVICE_SCOPE).signed();
    for _ in 0..FEW {
        assert_eq!(user(&server, &asha).await, Ok(json!("asha")));
    }
    let refused = ask(&server, &asha).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=13).contains(&wait), "{wait}");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(
        body["errors"][0]["extensions"],
        json!({ "code": "RATE_LIMITED", "retryAfterSeconds": wait })
    );
    // On every face.
    let request = reqwest::Client::new()
        .get(server.at("/chat/user/asha"))
        .bearer_auth(&asha);
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    let mut socket = socket(&server, &asha).await;
    socket.subscribe("1", "{ viewer { userId } }", Value::Null).await;
    let message = socket.message().await;
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(user(&server, &ravi).await, Ok(json!("ravi")));
    // Programs that act for everybody are bounded by whom they act for.
    for _ in 0..2 * FEW {
        assert_eq!(user(&server, &service).await, Ok(json!("asha")));
    }
}

#[tokio::test]
async fn a_frame_of_the_documented_socket_is_an_operation_too() {
    let scratch = Scratch::embedded().await;
    let server = server(
        &scratch,
        &["--limit", "operations-per-minute=5", "--builtin-pace", "0"],
    );
    let asha = Token::of("asha").signed();
    let chat = chat(&server, &asha).await;
    let mut mt = Mt::open_at(&server, &format!("/chat/ws/{chat}?token={asha}")).await;
    for _ in 0..FEW {
        mt.send(json!({ "mt": "stop" })).await;
    }
    loop {
        let frame = mt.frame().await;
        if frame["mt"] == "error" {
            assert_eq!(frame["message"], "Too many messages. Please wait a moment.");
            break;
        }
    }
}

/// Asks from an address, as a proxy says.
async fn ask_from(server: &Server, address: &str) -> StatusCode {
    let request = reqwest::Client::new().post(server.at("/graphql"));
    let request = request.json(&json!({ "query": "{ viewer { userId } }" }));
    request
        .header("x-forwarded-for", address)
        .send()
        .await
        .unwrap()
        .status()
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_so_whoever_calls_from_it() {
    let scratch = Scratch::embedded().await;
    let limit = [
        "--limit",
        "requests-per-minute=5",
        "--trusted-proxies",
        "127.0.0.0/8",
    ];
    let server = Server::start_with(&scratch, &limit);
    for _ in 0..FEW {
        assert_eq!(ask_from(&server, "203.0.113.7").await, StatusCode::OK);
    }
    for spoofed in ["203.0.113.7", "198.51.100.1, 203.0.113.7", "::ffff:203.0.113.7"] {
        assert_eq!(
            ask_from(&server, spoofed).await,
            StatusCode::TOO_MANY_REQUESTS,
            "{spoofed}"
        );
    }
    assert_eq!(ask_from(&server, "203.0.113.8").await, StatusCode::OK);
    // One customer has a whole network of these.
    for n in 0..FEW {
        assert_eq!(ask_from(&server, &format!("2001:db8::{n}")).await, StatusCode::OK);
    }
    assert_eq!(
        ask_from(&server, "2001:db8::ffff").await,
        StatusCode::TOO_MANY_REQUESTS
    );
    let rest = reqwest::Client::new().get(server.at("/chat/user/1"));
    let rest = rest
        .header("x-forwarded-for", "203.0.113.7")
        .send()
        .await
        .unwrap();
    assert_eq!(rest.status(), StatusCode::TOO_MANY_REQUESTS);
    let refused = Socket::with_header(&server, "X-Forwarded-For", "203.0.113.7").await;
    assert_eq!(refused.err(), Some(429));
    // Health is asked by machines, which must be answered.
    let health = reqwest::Client::new().get(server.at("/health/live"));
    let health = health
        .header("x-forwarded-for", "203.0.113.7")
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_is_no_trusted_proxy_speaks_for_nobody() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--limit", "requests-per-minute=5"]);
    for _ in 0..3 * FEW {
        // This machine is not bounded, and what it says of others is not heard.
        assert_eq!(ask_from(&server, "203.0.113.7").await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_user_has_so_many_replies_at_once_and_so_many_prompts_a_minute() {
    let scratch = Scratch::embedded().await;
    let limits = [
        "--limit",
        "replies-per-user=2,prompts-per-minute=5",
        "--builtin-words",
        "100000",
    ];
    let server = server(&scratch, &limits);
    let (asha, ravi) = (Token::of("asha").signed(), Token::of("ravi").signed());
    let mut chats = Vec::new();
    for _ in 0..3 {
        chats.push(chat(&server, &asha).await);
    }
    let first = reply(&server, &asha, &chats[0]).await;
    reply(&server, &asha, &chats[1]).await;
    assert_eq!(
        code(&server, &asha, SEND, json!({ "chat": chats[2] })).await,
        "TOO_MANY_REPLIES"
    );
    let others = chat(&server, &ravi).await;
    reply(&server, &ravi, &others).await;
    // One that has ended makes room; and a program that acts for her is bounded as she is.
    let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { id } } }";
    let service = Token::of("backend").scope(SERVICE_SCOPE).signed();
    let mut last = first;
    for _ in 0..3 {
        data(&server, &asha, stop, json!({ "id": last })).await;
        last = reply(&server, &service, &chats[2]).await;
    }
    data(&server, &asha, stop, json!({ "id": last })).await;
    assert_eq!(
        code(&server, &asha, SEND, json!({ "chat": chats[2] })).await,
        "RATE_LIMITED"
    );
    assert_eq!(
        code(
            &server,
            &ravi,
            "mutation { deleteChat(input: {id: \"x\"}) { deletedChatId } }",
            Value::Null
        )
        .await,
        "INVALID_ID"
    );
}

#[tokio::test]
async fn a_user_who_has_used_up_the_tokens_of_the_day_asks_no_more_and_reads_all() {
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &["--limit", "tokens-per-day=10", "--builtin-pace", "0"]);
    let (asha, ravi) = (Token::of("asha").signed(), Token::of("ravi").signed());
    let chat = self::chat(&server, &asha).await;
    let reply = self::reply(&server, &asha, &chat).await;
    let mut follower = socket(&server, &asha).await;
    follower.subscribe("1", FOLLOW, json!({ "id": reply })).await;
    while follower.message().await["type"] != "complete" {}
    let refused = send(&server, &asha, SEND, json!({ "chat": chat })).await;
    let body: Value = refused.json().await.unwrap();
    let extensions = &body["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "QUOTA_EXCEEDED", "{body}");
    assert!(
        (1..=86_401).contains(&extensions["retryAfterSeconds"].as_u64().unwrap()),
        "{body}"
    );
    let query = "query ($id: ID!) { chat(id: $id) { messageCount } }";
    assert_eq!(
        data(&server, &asha, query, json!({ "id": chat })).await["chat"]["messageCount"],
        2
    );
    let others = self::chat(&server, &ravi).await;
    self::reply(&server, &ravi, &others).await;
}

#[tokio::test]
async fn a_user_has_so_many_streams_and_so_has_an_address() {
    let scratch = Scratch::embedded().await;
    let limits = [
        "--limit",
        "streams-per-user=2,streams-per-address=3",
        "--trusted-proxies",
        "127.0.0.0/8",
    ];
    let server = server(&scratch, &limits);
    let (asha, ravi) = (Token::of("asha").signed(), Token::of("ravi").signed());
    let first = socket(&server, &asha).await;
    let _second = socket(&server, &asha).await;
    let mut third = Socket::open(&server).await;
    let payload = json!({ "authorization": format!("Bearer {asha}") });
    third
        .send(json!({ "type": "connection_init", "payload": payload }))
        .await;
    assert_eq!(
        third.receive().await,
        Received::Closed(1013, "Try again later".to_owned())
    );
    let _others = socket(&server, &ravi).await;
    // A place is free again as soon as the server has seen that somebody left.
    drop(first);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let mut next = Socket::open(&server).await;
        next.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        if next.receive().await == Received::Message(json!({ "type": "connection_ack" })) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the place is never free");
    }
    let from = async || Socket::with_header(&server, "X-Forwarded-For", "203.0.113.7").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(from().await.ok().unwrap());
    }
    assert_eq!(from().await.err(), Some(503));
}

#[tokio::test]
async fn whoever_has_no_prompts_left_is_shown_nothing_of_another_users_chat() {
    let scratch = Scratch::embedded().await;
    let server = server(
        &scratch,
        &["--limit", "prompts-per-minute=1", "--builtin-pace", "0"],
    );
    let (asha, ravi) = (Token::of("asha").signed(), Token::of("ravi").signed());
    let theirs = chat(&server, &asha).await;
    let query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id text } } }";
    let input =
        |chat: &str, key: &str| json!({ "input": { "chatId": chat, "text": "Hello", "clientKey": key } });
    let sent = data(&server, &asha, query, input(&theirs, "key")).await;
    // Its own sender is told of it again, also now.
    assert_eq!(data(&server, &asha, query, input(&theirs, "key")).await, sent);

    let own = chat(&server, &ravi).await;
    data(&server, &ravi, query, input(&own, "key")).await;
    for key in ["key", "another"] {
        assert_eq!(
            code(&server, &ravi, query, input(&own, "new")).await,
            "RATE_LIMITED"
        );
        assert_eq!(
            code(&server, &ravi, query, input(&theirs, key)).await,
            "NOT_FOUND"
        );
    }
}
