//! The documented usage, from the first chat to its end, word for word: every route, and what is refused. What is
//! answered stands in `transcript.txt`; `UPDATE_EXPECT=1` before the tests writes it anew.

use std::collections::BTreeSet;

use expect_test::expect_file;

use super::client::{Client, masked, read};
use crate::on_both_stores;
use crate::support::scratch::Scratch;

on_both_stores! { the_documented_usage_is_answered_word_for_word }

/// The requests. An id that is answered is known by the word before the request from then on.
const STEPS: [(&str, &str, &str, &str); 39] = [
    ("", "GET", "/chat/user/1", ""),
    (
        "CHAT",
        "POST",
        "/chat/",
        r#"{"user_id": 1, "document_id": "507f1f77bcf86cd799439011", "title": "Programming Help", "status": "active"}"#,
    ),
    ("OTHER", "POST", "/chat/", r#"{"user_id": 1, "title": "Another"}"#),
    ("", "GET", "/chat/user/1?page=1&limit=20", ""),
    ("", "GET", "/chat/user/1?page=2&limit=1", ""),
    ("", "GET", "/chat/user/1?page=1000000", ""),
    ("", "GET", "/chat/CHAT", ""),
    ("", "GET", "/chat/ws/CHAT/status", ""),
    (
        "QUESTION",
        "POST",
        "/chat/CHAT/messages",
        r#"{"message": "What is Python?", "is_bot": false, "type": "text"}"#,
    ),
    ("", "GET", "/chat/CHAT/messages/QUESTION", ""),
    (
        "ANSWER",
        "POST",
        "/chat/CHAT/messages",
        r#"{"message": "A language.", "is_bot": true, "token": 4, "chat_id": "ignored"}"#,
    ),
    ("", "GET", "/chat/CHAT/messages?page=1&limit=50", ""),
    ("", "GET", "/chat/CHAT/full?page=1&limit=50", ""),
    ("", "GET", "/chat/CHAT/full?page=3&limit=1", ""),
    (
        "",
        "PUT",
        "/chat/CHAT/messages/QUESTION",
        r#"{"message": "What is Rust?"}"#,
    ),
    (
        "",
        "POST",
        "/chat/CHAT/messages/QUESTION/reaction?reaction=%F0%9F%91%8D",
        "",
    ),
    ("", "GET", "/chat/CHAT/messages/QUESTION", ""),
    ("", "DELETE", "/chat/CHAT/messages/QUESTION/reaction", ""),
    ("", "GET", "/chat/CHAT/messages/QUESTION", ""),
    ("", "PUT", "/chat/CHAT/messages/QUESTION", "{}"),
    (
        "",
        "PUT",
        "/chat/CHAT",
        r#"{"title": "Rust Help", "status": "inactive"}"#,
    ),
    ("", "PUT", "/chat/CHAT", r#"{"title": null}"#),
    ("", "GET", "/chat/CHAT", ""),
    (
        "",
        "POST",
        "/chat/",
        r#"{"user_id": "one and a half", "title": 7, "document_id": "x", "status": null}"#,
    ),
    ("", "POST", "/chat/", r#"{"user_id": 1.5"#),
    ("", "POST", "/chat/", "[]"),
    ("", "POST", "/chat/CHAT/messages", ""),
    (
        "",
        "POST",
        "/chat/CHAT/messages",
        r#"{"is_bot": "maybe", "token": "many"}"#,
    ),
    ("", "POST", "/chat/CHAT/messages/QUESTION/reaction", ""),
    ("", "GET", "/chat/CHAT/full?page=0&limit=101", ""),
    ("", "GET", "/chat/OTHER/messages/QUESTION", ""),
    ("", "GET", "/chat/nonsense", ""),
    ("", "GET", "/chat/CHAT/nonsense", ""),
    ("", "PATCH", "/chat/CHAT", ""),
    ("", "DELETE", "/chat/CHAT/messages/QUESTION", ""),
    ("", "GET", "/chat/CHAT/messages", ""),
    ("", "DELETE", "/chat/CHAT", ""),
    ("", "DELETE", "/chat/CHAT", ""),
    ("", "GET", "/chat/CHAT/messages/ANSWER", ""),
];

async fn the_documented_usage_is_answered_word_for_word(scratch: &Scratch) {
    let mut client = Client::start(scratch);
    client.below("/api/v1");
    let mut names = Vec::new();
    let mut transcript = String::new();
    let mut asked = BTreeSet::new();
    for (name, method, path, body) in STEPS {
        let filled = names
            .iter()
            .fold(path.to_owned(), |path, (name, id): &(_, String)| {
                path.replace(name, id)
            });
        let sent = (!body.is_empty()).then(|| ("application/json", body.as_bytes().to_vec()));
        let answer = read(client.send(method, &filled, sent).await).await;
        let json = answer.json();
        if !name.is_empty() {
            let id = json.get("chat_id").or(json.get("message_id")).unwrap();
            names.push((name, id.as_str().unwrap().to_owned()));
        }
        let text = names
            .iter()
            .fold(answer.text, |text, (name, id)| text.replace(id, name));
        // Of microseconds, which the others have not.
        let text = match json["timestamp"].as_str() {
            Some(time) => text.replace(time, "TIME"),
            None => masked(&text),
        };
        transcript += &format!("{method} {path}\n");
        if !body.is_empty() {
            transcript += &format!("{body}\n");
        }
        transcript += &format!("{}\n{text}\n\n", answer.status);
        let route = path
            .split('?')
            .next()
            .unwrap()
            .replace("user/1", "user/{user_id}");
        let route = route
            .replace("CHAT", "{chat_id}")
            .replace("QUESTION", "{message_id}");
        asked.insert((method.to_lowercase(), route));
    }
    expect_file!["transcript.txt"].assert_eq(&transcript);
    let description = reqwest::get(client.server.at("/openapi.json")).await.unwrap();
    let description: serde_json::Value = description.json().await.unwrap();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            assert!(asked.contains(&(method.clone(), path.clone())), "{method} {path}");
        }
    }
}
