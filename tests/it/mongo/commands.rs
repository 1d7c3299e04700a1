//! A list costs the same few commands, however many chats are in it.

use std::sync::Arc;

use colloquy::bot::BuiltinBot;
use colloquy::config::{EngineConfig, Limits};
use colloquy::domain::{IdSource, SystemClock, Viewer};
use colloquy::engine::Engine;
use colloquy::feed::LocalFeed;
use colloquy::graphql::Schema;
use colloquy::service::Service;
use colloquy::store::{ChatStore, MessageStore};
use serde_json::{Value, json};

use super::recorder::Recorder;
use crate::support::make;
use crate::support::scratch::Scratch;

const COMMANDS_MAX: usize = 6;

#[tokio::test]
async fn a_list_of_chats_with_their_messages_costs_at_most_six_commands() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let clock = Arc::new(SystemClock);
    let bot = Arc::new(BuiltinBot::new(0.0, 0));
    let feed = Arc::new(LocalFeed::new(1));
    let engine = Engine::new(
        store.clone(),
        feed.clone(),
        bot,
        clock.clone(),
        EngineConfig::default(),
        "owner".to_owned(),
    );
    let ids = IdSource::new(clock.clone(), [1; 8]);
    let service = Arc::new(Service::new(
        store.clone(),
        feed,
        engine,
        clock,
        ids,
        Limits::default(),
        None,
    ));
    let schema = Schema::new(service, None).unwrap();

    let query = "{ chats(first: 20, userId: 7) { edges { node { title lastMessage { text } messageCount
        messages(first: 5) { edges { node { text author reply { state } } } pageInfo { hasNextPage } } } } } }";
    let mut costs = Vec::new();
    for count in [1, 5, 20] {
        let chat = make::chat();
        while store
            .chat_page(&chat.user_id, &Default::default(), &page_of_all())
            .await
            .unwrap()
            .items
            .len()
            < count
        {
            let chat = make::chat();
            store.insert_chat(&chat).await.unwrap();
            for n in 0..7 {
                store.insert_message(&make::message_at(chat.id, n)).await.unwrap();
            }
        }
        recorder.take();
        let request = serde_json::from_value(json!({ "query": query })).unwrap();
        let prepared = schema.prepare(request).ok().unwrap();
        let response = schema.execute(prepared, Viewer::Anonymous).await;
        let commands: Vec<_> = recorder
            .take()
            .iter()
            .filter_map(|command| command.keys().next().cloned())
            .collect();
        assert!(commands.len() <= COMMANDS_MAX, "{commands:?}");
        costs.push(commands.len());

        assert!(response.errors.is_empty(), "{:?}", response.errors);
        let data: Value = serde_json::to_value(response.data).unwrap();
        let edges = data["chats"]["edges"].as_array().unwrap();
        assert_eq!(edges.len(), count);
        for edge in edges {
            assert_eq!(edge["node"]["messageCount"], 7);
            assert_eq!(edge["node"]["messages"]["edges"].as_array().unwrap().len(), 5);
        }
    }
    assert!(costs.windows(2).all(|pair| pair[0] == pair[1]), "{costs:?}");
    scratch.remove().await;
}

fn page_of_all() -> colloquy::domain::PageRequest {
    colloquy::domain::PageRequest::first(100)
}
