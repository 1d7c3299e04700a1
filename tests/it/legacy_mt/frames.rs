//! The fields of each frame.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{messages, status, until_count};
use crate::on_both_stores;
use crate::support::mt::{Mt, kind_of, kinds, upload};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    every_frame_has_the_documented_fields_in_the_documented_order,
    fields_that_browser_clients_add_change_nothing,
    times_are_naive_with_microseconds_and_of_the_present_minute,
    date_times_end_in_z_when_told_so,
    a_user_id_is_echoed_as_it_came,
    a_token_is_the_millisecond_and_the_chat_and_new_for_each_frame,
    the_status_route_counts_the_open_sockets_of_any_id,
}

/// The documented fields of each kind behind `mt` and `chatId`, in their order; ours come behind them.
const FIELDS: [(&str, &[&str]); 11] = [
    (
        "user confirm",
        &["message", "userId", "time", "isBot", "token", "timestamp"],
    ),
    ("typing_indicator", &["isBot", "timestamp"]),
    ("new_message", &["messageId", "message", "isBot", "timestamp"]),
    ("start", &["start", "timestamp"]),
    ("chunk", &["uuid", "partial", "message_context", "timestamp"]),
    ("end", &["stop", "timestamp"]),
    (
        "bot confirm",
        &[
            "message",
            "message_context",
            "time",
            "isBot",
            "token",
            "timestamp",
        ],
    ),
    ("stop_typing_indicator", &["isBot", "timestamp"]),
    ("stopped_generation", &["isBot", "message", "timestamp"]),
    ("chat_access_denied", &["message"]),
    ("error", &["message"]),
];
/// Ours: none of them is called as a field is that a documented client looks at.
const OURS: [&str; 5] = ["messageId", "replyId", "offset", "cursor", "state"];

fn check_fields(text: &str) {
    let frame: Value = serde_json::from_str(text).unwrap();
    let (_, documented) = FIELDS.iter().find(|(kind, _)| *kind == kind_of(&frame)).unwrap();
    // The order in the text itself: the parsed object has forgotten it.
    let mut places = Vec::new();
    for field in ["mt", "chatId"].iter().chain(*documented) {
        places.push(
            text.find(&format!("\"{field}\":"))
                .unwrap_or_else(|| panic!("no {field} in {text}")),
        );
    }
    assert!(places.is_sorted(), "{text}");
    for field in frame.as_object().unwrap().keys() {
        let field = field.as_str();
        let is_known =
            ["mt", "chatId"].contains(&field) || documented.contains(&field) || OURS.contains(&field);
        assert!(is_known, "{field} in {text}");
    }
    for field in documented.iter().filter(|field| **field == "message_context") {
        assert_eq!(frame[*field], "public", "{text}");
    }
    if documented.contains(&"isBot") {
        let is_of_user = ["user confirm", "new_message"].contains(&kind_of(&frame));
        assert_eq!(frame["isBot"], !is_of_user, "{text}");
    }
}

async fn texts_of_everything(server: &Server, chat: &str) -> Vec<String> {
    let mut socket = Mt::open(server, chat).await;
    let mut texts = Vec::new();
    let mut frame = upload("hello");
    frame["userId"] = json!(7);
    for frame in [frame, json!({ "mt": "stop", "message": "enough" }), json!([])] {
        socket.send(frame).await;
        loop {
            let text = socket
                .receive()
                .await
                .unwrap()
                .unwrap()
                .into_text()
                .unwrap()
                .to_string();
            let frame: Value = serde_json::from_str(&text).unwrap();
            texts.push(text);
            if ["stop_typing_indicator", "stopped_generation", "error"].contains(&kind_of(&frame)) {
                break;
            }
        }
    }
    let mut socket = Mt::open(server, "nonsense").await;
    socket.send(json!({})).await;
    texts.push(
        socket
            .receive()
            .await
            .unwrap()
            .unwrap()
            .into_text()
            .unwrap()
            .to_string(),
    );
    texts
}

async fn every_frame_has_the_documented_fields_in_the_documented_order(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let texts = texts_of_everything(&server, &chat).await;
    let mut seen = HashSet::new();
    for text in &texts {
        check_fields(text);
        let frame: Value = serde_json::from_str(text).unwrap();
        seen.insert(kind_of(&frame));
        if frame["chatId"] != "nonsense" {
            assert_eq!(frame["chatId"], chat);
        }
    }
    assert_eq!(seen.len(), FIELDS.len(), "{seen:?}");
}

async fn fields_that_browser_clients_add_change_nothing(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let other = server.create_chat("Another").await;
    let mut socket = Mt::open(&server, &chat).await;
    for (n, document) in [Value::Null, json!(""), json!(other)].into_iter().enumerate() {
        let mut frame = upload("hello");
        frame["documentId"] = document;
        frame["content"] = json!("not this");
        frame["timestamp"] = json!("2020-01-01T00:00:00Z");
        frame["time"] = json!(7);
        // The chat is the one of the path.
        frame["chatId"] = json!(other);
        socket.send(frame).await;
        let frames = socket.until("stop_typing_indicator").await;
        assert!(kinds(&frames).contains(&"bot confirm"));
        assert!(
            frames
                .iter()
                .all(|frame| frame["chatId"] == chat && frame["timestamp"] != "2020-01-01T00:00:00Z")
        );
        assert_eq!(frames[0]["message"], "hello");
        let stored = messages(&server, &chat).await;
        assert_eq!(
            (&stored[2 * n]["text"], stored.len()),
            (&json!("hello"), 2 * n + 2)
        );
    }
    assert_eq!(messages(&server, &other).await.len(), 0);
}

async fn times_are_naive_with_microseconds_and_of_the_present_minute(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    let before = crate::support::make::now();
    socket.upload("hello").await;
    let frames = socket.until("stop_typing_indicator").await;
    let after = crate::support::make::now();
    let minutes: Vec<_> = [before, after]
        .map(|time| time.to_string()[11..16].to_owned())
        .into();
    let mut timestamps = Vec::new();
    for frame in &frames {
        let timestamp = frame["timestamp"].as_str().unwrap();
        assert!([19, 26].contains(&timestamp.len()), "{timestamp}");
        assert!(
            !timestamp.ends_with('Z') && timestamp.as_bytes()[10] == b'T',
            "{timestamp}"
        );
        let millis = format!("{}.000", &timestamp[..19]);
        let (low, high) = (before.to_string(), after.to_string());
        assert!(millis[..19] >= low[..19] && millis[..19] <= high[..19]);
        timestamps.push(timestamp.to_owned());
        if let Some(time) = frame["time"].as_str() {
            assert!(minutes.iter().any(|minute| minute == time), "{time}");
        }
    }
    assert!(timestamps.is_sorted(), "{timestamps:?}");
    // Real microseconds: not all of so many end in three zeros.
    assert!(
        timestamps.iter().any(|time| !time.ends_with("000")),
        "{timestamps:?}"
    );
}

async fn date_times_end_in_z_when_told_so(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "0", "--legacy-utc-suffix"]);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("hello").await;
    let mut told = socket.until("stop_typing_indicator").await;
    told.push(status(&server, &chat).await);
    for told in told {
        let timestamp = told["timestamp"].as_str().unwrap();
        assert!([20, 27].contains(&timestamp.len()), "{timestamp}");
        assert!(timestamp.ends_with('Z'), "{timestamp}");
    }
}

async fn a_user_id_is_echoed_as_it_came(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for id in [json!("1"), json!(7), json!(-1.5), json!(""), Value::Null] {
        let mut frame = upload("hello");
        frame["userId"] = id.clone();
        socket.send(frame).await;
        assert_eq!(socket.expect("user confirm").await["userId"], id);
        socket.until("stop_typing_indicator").await;
    }
    let mut frame = upload("hello");
    frame.as_object_mut().unwrap().remove("userId");
    socket.send(frame).await;
    assert_eq!(socket.expect("user confirm").await["userId"], "");
}

async fn a_token_is_the_millisecond_and_the_chat_and_new_for_each_frame(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    let mut tokens = HashSet::new();
    for _ in 0..5 {
        socket.upload("hello").await;
        for frame in socket.until("stop_typing_indicator").await {
            if let Some(token) = frame["token"].as_str() {
                let (millis, id) = token.split_once('_').unwrap();
                assert_eq!(id, chat);
                let age = crate::support::make::now().millis() - millis.parse::<i64>().unwrap();
                assert!((-1_000..20_000).contains(&age), "{token}");
                tokens.insert(token.to_owned());
            }
        }
    }
    assert_eq!(tokens.len(), 10);
}

async fn the_status_route_counts_the_open_sockets_of_any_id(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    for id in [chat.as_str(), "nonsense"] {
        let none = status(&server, id).await;
        assert_eq!(
            (&none["is_active"], &none["connection_count"]),
            (&json!(false), &json!(0))
        );
        assert_eq!(
            (&none["chat_id"], none.as_object().unwrap().len()),
            (&json!(id), 4)
        );
        assert_eq!(none["timestamp"].as_str().unwrap().as_bytes()[10], b'T');
        let mut first = Mt::open(&server, id).await;
        let mut second = Mt::open(&server, &id.to_uppercase()).await;
        for socket in [&mut first, &mut second] {
            socket.expect_silence().await;
        }
        let two = status(&server, id).await;
        assert_eq!(
            (&two["is_active"], &two["connection_count"]),
            (&json!(true), &json!(2))
        );
        first.leave().await;
        assert_eq!(status(&server, id).await["connection_count"], 1);
        // A line that is cut counts as little as one that was closed.
        drop(second);
        until_count(&server, id, 0).await;
    }
    let post = reqwest::Client::new()
        .post(server.at("/chat/ws/x/status"))
        .send()
        .await
        .unwrap();
    assert_eq!(post.status(), 405);
    let plain = reqwest::get(server.at("/chat/ws/x")).await.unwrap();
    assert_eq!(plain.status(), 404);
    assert_eq!(
        plain.json::<Value>().await.unwrap(),
        json!({ "detail": "Not Found" })
    );
}
