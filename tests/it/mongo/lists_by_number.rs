//! What a page of the documented lists asks of the server.

use colloquy::config::Limits;
use colloquy::legacy::dates::DateFormat;
use colloquy::legacy::rest::Rest;
use colloquy::store::{ChatStore, MessageStore};
use mongodb::bson::Document;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::recorder::Recorder;
use super::serve;
use crate::support::make;
use crate::support::scratch::Scratch;

/// How many items a command passes over; `None` for one that reads no items of a list.
fn skipped(command: &Document) -> Option<i64> {
    let skip = || command.get_i64("skip").or(command.get_i32("skip").map(i64::from));
    (command.contains_key("find") && command.contains_key("sort")).then(|| skip().unwrap_or(0))
}

#[tokio::test]
async fn a_page_behind_the_end_of_a_list_is_empty_and_nothing_is_skipped_for_it() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (service, _) = serve(store.clone(), Limits::default().documented());
    let (routes, _) = Rest::new(service, DateFormat::default()).routes("");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });

    let chat = make::chat();
    for n in 0..3 {
        store.insert_chat(&make::chat()).await.unwrap();
        store.insert_message(&make::message_at(chat.id, n)).await.unwrap();
    }
    store.insert_chat(&chat).await.unwrap();
    store.insert_message(&make::message_at(chat.id, 3)).await.unwrap();
    let user = format!("/chat/user/{}", chat.user_id);
    let [full, messages] = ["full", "messages"].map(|list| format!("/chat/{}/{list}", chat.id));
    for (path, items, total) in [(user, "/chats", "/total"), (full, "/messages", "/total_messages")] {
        for (query, count, skips) in [
            // What is there is passed over as it must be.
            ("limit=3&page=2", 1, Some(3)),
            ("limit=3&page=3", 0, None),
            ("limit=4&page=2", 0, None),
            ("page=1000000", 0, None),
            ("limit=100&page=1000000", 0, None),
            ("limit=100&page=9223372036854775807", 0, None),
        ] {
            recorder.take();
            let answer = reqwest::get(format!("http://{address}{path}?{query}"))
                .await
                .unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{path} {query}");
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(
                answer.pointer(items).unwrap().as_array().unwrap().len(),
                count,
                "{path} {query}"
            );
            assert_eq!(answer.pointer(total), Some(&json!(4)), "{path} {query}");
            let commands = recorder.take();
            assert!(!commands.is_empty());
            let found: Vec<_> = commands.iter().filter_map(skipped).collect();
            assert_eq!(found, Vec::from_iter(skips), "{path} {query}: {commands:?}");
        }
    }
    // Where no total is told, none is counted: passing over what there is costs no more than counting it.
    for (query, count) in [("limit=3&page=2", 1), ("limit=100&page=9223372036854775807", 0)] {
        recorder.take();
        let answer = reqwest::get(format!("http://{address}{messages}?{query}")).await;
        let answer: Value = answer.unwrap().json().await.unwrap();
        assert_eq!(answer.as_array().unwrap().len(), count, "{query}");
        let commands = recorder.take();
        let is_count =
            |command: &&Document| command.contains_key("aggregate") || command.contains_key("count");
        assert_eq!(commands.iter().find(is_count), None, "{query}");
    }
    serving.abort();
    scratch.remove().await;
}
