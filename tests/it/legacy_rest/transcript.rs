//! The documented usage, from the first chat to its end, word for word.

use super::client::{Client, masked, read};
use crate::on_both_stores;
use crate::support::scratch::Scratch;

on_both_stores! { the_documented_usage_is_answered_word_for_word }

const CHAT: &str = r#"{"_id":"ID","user_id":1,"document_id":"ID","title":"Programming Help","status":"active","created_at":"TIME","updated_at":"TIME"}"#;
const QUESTION: &str = r#"{"_id":"ID","chat_id":"ID","message":"What is Python?","is_bot":false,"reaction":null,"token":null,"type":"text","is_edited":false,"created_ts":"TIME","updated_ts":"TIME","citation":null}"#;
const ANSWER: &str = r#"{"_id":"ID","chat_id":"ID","message":"A language.","is_bot":true,"reaction":null,"token":4,"type":"text","is_edited":false,"created_ts":"TIME","updated_ts":"TIME","citation":null}"#;
const CHAT_MADE: &str =
    r#"{"success":true,"message":"Chat created successfully","chat_id":"ID","data":{"chat_id":"ID"}}"#;
const MESSAGE_MADE: &str = r#"{"success":true,"message":"Message created successfully","message_id":"ID","data":{"message_id":"ID"}}"#;

fn done(what: &str) -> String {
    format!(r#"{{"success":true,"message":"{what} successfully"}}"#)
}

async fn the_documented_usage_is_answered_word_for_word(scratch: &Scratch) {
    let mut client = Client::start(scratch);
    client.below("/api/v1");
    let (mut chat, mut message) = (String::new(), String::new());
    let changed = QUESTION
        .replace("What is Python?", "What is Rust?")
        .replace(r#""is_edited":false"#, r#""is_edited":true"#);
    let reacted = changed.replace(r#""reaction":null"#, r#""reaction":"👍""#);
    let new_chat = r#"{"user_id":1,"document_id":"507f1f77bcf86cd799439011","title":"Programming Help","status":"active"}"#;
    let one = "/chat/CHAT/messages/MESSAGE";
    let steps = [
        (
            "GET",
            "/chat/user/1",
            "",
            r#"{"chats":[],"total":0,"page":1,"limit":20}"#.to_owned(),
        ),
        ("POST", "/chat/", new_chat, CHAT_MADE.to_owned()),
        (
            "GET",
            "/chat/user/1?page=1&limit=20",
            "",
            format!(r#"{{"chats":[{CHAT}],"total":1,"page":1,"limit":20}}"#),
        ),
        ("GET", "/chat/CHAT", "", CHAT.to_owned()),
        (
            "POST",
            "/chat/CHAT/messages",
            r#"{"message":"What is Python?","is_bot":false,"type":"text"}"#,
            MESSAGE_MADE.to_owned(),
        ),
        ("GET", one, "", QUESTION.to_owned()),
        (
            "POST",
            "/chat/CHAT/messages",
            r#"{"message":"A language.","is_bot":true,"token":4}"#,
            MESSAGE_MADE.to_owned(),
        ),
        (
            "GET",
            "/chat/CHAT/full?page=1&limit=50",
            "",
            format!(r#"{{"chat":{CHAT},"messages":[{QUESTION},{ANSWER}],"total_messages":2}}"#),
        ),
        (
            "PUT",
            one,
            r#"{"message":"What is Rust?"}"#,
            done("Message updated"),
        ),
        (
            "POST",
            "/chat/CHAT/messages/MESSAGE/reaction?reaction=%F0%9F%91%8D",
            "",
            done("Reaction added"),
        ),
        ("GET", one, "", reacted),
        (
            "DELETE",
            "/chat/CHAT/messages/MESSAGE/reaction",
            "",
            done("Reaction removed"),
        ),
        ("GET", one, "", changed),
        ("DELETE", one, "", done("Message deleted")),
        ("GET", "/chat/CHAT/messages", "", format!("[{ANSWER}]")),
        (
            "PUT",
            "/chat/CHAT",
            r#"{"title":"Rust Help","status":"inactive"}"#,
            done("Chat updated"),
        ),
        ("DELETE", "/chat/CHAT", "", done("Chat deleted")),
        (
            "GET",
            "/chat/CHAT",
            "",
            r#"{"detail":"Chat not found"}"#.to_owned(),
        ),
    ];
    for (method, path, body, expected) in steps {
        let path = path.replace("CHAT", &chat).replace("MESSAGE", &message);
        let body = (!body.is_empty()).then(|| ("application/json", body.as_bytes().to_vec()));
        let answer = read(client.send(method, &path, body).await).await;
        assert_eq!(masked(&answer.text), expected, "{method} {path}");
        let json = answer.json();
        if let Some(id) = json["data"]["chat_id"].as_str() {
            chat = id.to_owned();
        }
        if let Some(id) = json["data"]["message_id"].as_str().filter(|_| message.is_empty()) {
            message = id.to_owned();
        }
    }
}
