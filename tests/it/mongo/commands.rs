//! What requests cost in commands: a list the same few, however many chats are in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use colloquy::bot::BuiltinBot;
use colloquy::config::Limits;
use colloquy::domain::{MessageId, SystemClock, Viewer};
use colloquy::engine::{CHECKPOINT_EVERY, Engine};
use colloquy::graphql::Schema;
use colloquy::store::{ChatStore, MessageStore, MongoStore};
use serde_json::{Value, json};

use super::recorder::{Recorder, names};
use crate::support::make;
use crate::support::parts::Parts;
use crate::support::scratch::Scratch;

const COMMANDS_MAX: usize = 6;
/// The first checkpoint of a reply is on a grid that many replies share, so it may be this much earlier.
const FIRST_CHECKPOINT_EARLIER_MAX: Duration = Duration::from_millis(100);

/// What answers GraphQL requests over a store, and the engine behind it.
fn schema_over(store: &Arc<MongoStore>, bot: BuiltinBot) -> (Schema, Arc<Engine>) {
    let clock = Arc::new(SystemClock);
    let Parts { service, engine, .. } = Parts::over(store.clone(), clock, bot, Limits::default(), None);
    (Schema::new(service, None).unwrap(), engine)
}

/// What a request that must succeed comes to.
async fn data(schema: &Schema, query: &str, variables: Value) -> Value {
    let request = serde_json::from_value(json!({ "query": query, "variables": variables })).unwrap();
    let prepared = schema.prepare(request).ok().unwrap();
    let response = schema.execute(prepared, Viewer::Anonymous).await;
    assert!(response.errors.is_empty(), "{:?}", response.errors);
    serde_json::to_value(response.data).unwrap()
}

#[tokio::test]
async fn a_mutation_costs_as_few_commands_as_is_promised() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    // A second, so that a checkpoint is among the commands.
    let words = BuiltinBot::new(0.0, 30)
        .answer("Hello", None)
        .split_whitespace()
        .count();
    let (schema, engine) = schema_over(&store, BuiltinBot::new(words as f64, 30));
    let create = "mutation { createChat(input: { title: \"A chat\" }) { chat { id } } }";
    let chat = data(&schema, create, json!({})).await["createChat"]["chat"]["id"].take();
    let costs = |most: usize| {
        let commands = recorder.take();
        let commands = names(&commands);
        assert!(commands.len() <= most, "{commands:?}");
    };
    costs(1);

    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    data(
        &schema,
        create,
        json!({ "input": { "chatId": chat, "text": "A note" } }),
    )
    .await;
    costs(2);

    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "Hello" } });
    let end_of = async |sent: Value| {
        let id = sent["sendMessage"]["reply"]["id"].as_str().unwrap();
        let reader = engine.follow(MessageId::parse(id).unwrap(), None).await.unwrap();
        let mut reader = reader.unwrap();
        while reader.next().await.is_some() {}
    };
    let begun = Instant::now();
    end_of(data(&schema, send, input.clone()).await).await;
    // One of them for each checkpoint of a reply that takes longer; the first may come so much earlier than the others.
    let checkpoints =
        (begun.elapsed() + FIRST_CHECKPOINT_EARLIER_MAX).as_millis() / CHECKPOINT_EVERY.as_millis();
    costs(5 + usize::try_from(checkpoints).unwrap());

    let sent = data(&schema, send, input).await;
    let stop = "mutation ($id: ID!) { stopReply(input: { messageId: $id }) { receipt { outcome } } }";
    recorder.take();
    let stopped = data(&schema, stop, json!({ "id": sent["sendMessage"]["reply"]["id"] })).await;
    assert_eq!(stopped["stopReply"]["receipt"]["outcome"], "STOPPED");
    costs(3);
    scratch.remove().await;
}

#[tokio::test]
async fn a_list_of_chats_with_their_messages_costs_at_most_six_commands() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (schema, _) = schema_over(&store, BuiltinBot::new(0.0, 0));

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
        let data = data(&schema, query, json!({})).await;
        let commands = recorder.take();
        let commands = names(&commands);
        assert!(commands.len() <= COMMANDS_MAX, "{commands:?}");
        costs.push(commands.len());

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
