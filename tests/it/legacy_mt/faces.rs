//! One chat by two ways at once: GraphQL and the documented socket.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::messages;
use crate::on_both_stores;
use crate::support::follow::follow;
use crate::support::mt::{Mt, kind_of, replies};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    both_faces_agree_on_every_message_state_and_text,
}

async fn both_faces_agree_on_every_message_state_and_text(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "300", "--builtin-words", "30"]);
    let chat = server.create_chat("A chat").await;
    let mut watcher = Mt::open(&server, &chat).await;
    watcher.expect_silence().await;
    let mut socket = Mt::open(&server, &chat).await;
    let graphql = async {
        let mut told = Vec::new();
        for n in 0..4 {
            let reply = server.send(&chat, &format!("by GraphQL {n}")).await;
            told.push(follow(&server, &reply).await);
        }
        told
    };
    let mt = async {
        let mut seen = Vec::new();
        for n in 0..4 {
            socket.upload(&format!("by mt {n}")).await;
            let frames = socket.until("bot confirm").await;
            if n == 2 {
                socket.send(json!({ "mt": "stop" })).await;
                seen.extend(socket.until("stopped_generation").await);
            }
            seen.extend(frames);
        }
        seen
    };
    let (told, _) = tokio::join!(graphql, mt);
    let mut frames = Vec::new();
    for _ in 0..8 {
        frames.extend(watcher.until("stop_typing_indicator").await);
    }
    let stored = messages(&server, &chat).await;
    assert_eq!(stored.len(), 16);
    let by_id: BTreeMap<_, _> = stored.iter().map(|it| (it["id"].as_str().unwrap(), it)).collect();
    let shown = replies(&frames);
    assert_eq!(shown.len(), 8);
    for reply in &shown {
        let message = by_id[reply.stream.as_str()];
        assert_eq!(message["text"], reply.text);
        let end = frames
            .iter()
            .find(|frame| frame["stop"] == reply.stream.as_str())
            .unwrap();
        assert_eq!(end["state"], message["reply"]["state"]);
    }
    for (text, message) in &told {
        let stored = by_id[message["id"].as_str().unwrap()];
        assert_eq!(
            (&stored["text"], &stored["reply"]["state"]),
            (&json!(text), &message["reply"]["state"])
        );
    }
    let added: Vec<_> = frames
        .iter()
        .filter(|frame| kind_of(frame) == "new_message")
        .collect();
    let users: Vec<&Value> = stored
        .iter()
        .filter(|message| message["author"] == "USER")
        .collect();
    assert_eq!(added.len(), users.len());
    for (added, user) in added.iter().zip(users) {
        assert_eq!(
            (&added["messageId"], &added["message"]),
            (&user["id"], &user["text"])
        );
    }
}
