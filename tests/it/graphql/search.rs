//! Messages found by their words, over GraphQL.

use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    messages_are_found_by_their_words_in_english_and_hindi_replies_included,
    what_was_edited_or_deleted_is_found_as_it_now_is,
    a_search_is_of_one_user_or_of_one_chat,
    results_are_paged_newest_first,
}

const SEARCH: &str = "query ($query: String!, $userId: UserId, $chatId: ID, $first: Int, $after: String) {
    searchMessages(query: $query, userId: $userId, chatId: $chatId, first: $first, after: $after) {
        nodes { id text chat { id title } } pageInfo { hasNextPage endCursor } } }";

async fn found(server: &Server, variables: Value) -> Vec<String> {
    let data = server.data(SEARCH, variables).await;
    let nodes = data["searchMessages"]["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["text"].as_str().unwrap().to_owned())
        .collect()
}

async fn write(server: &Server, chat: &str, text: &str) -> Value {
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": text } });
    server.data(create, input).await["createMessage"]["message"]["id"].take()
}

async fn messages_are_found_by_their_words_in_english_and_hindi_replies_included(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Tell me about the DEEP sea").await;
    let (english, _) = follow(&server, &reply).await;
    let reply = server.send(&chat, "मुझे गहरे समुद्र के बारे में बताओ").await;
    let (hindi, _) = follow(&server, &reply).await;
    assert_eq!(
        found(&server, json!({ "query": "sea, deep!" })).await,
        [english.as_str(), "Tell me about the DEEP sea"]
    );
    assert_eq!(
        found(&server, json!({ "query": "समुद्र गहरे" })).await,
        [hindi.as_str(), "मुझे गहरे समुद्र के बारे में बताओ"]
    );
    assert_eq!(found(&server, json!({ "query": "season" })).await, [""; 0]);
}

async fn what_was_edited_or_deleted_is_found_as_it_now_is(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let id = write(&server, &chat, "the old harbour").await;
    let edit = "mutation ($input: UpdateMessageInput!) { updateMessage(input: $input) { message { id } } }";
    let input = json!({ "input": { "id": id, "text": "the new harbour" } });
    server.data(edit, input).await;
    assert_eq!(found(&server, json!({ "query": "old" })).await, [""; 0]);
    assert_eq!(
        found(&server, json!({ "query": "new" })).await,
        ["the new harbour"]
    );
    let delete = "mutation ($id: ID!) { deleteMessage(input: {id: $id}) { deletedMessageId } }";
    server.data(delete, json!({ "id": id })).await;
    assert_eq!(found(&server, json!({ "query": "harbour" })).await, [""; 0]);
}

async fn a_search_is_of_one_user_or_of_one_chat(scratch: &Scratch) {
    let server = Server::start(scratch);
    let create = "mutation ($input: CreateChatInput!) { createChat(input: $input) { chat { id } } }";
    let mut chats = Vec::new();
    for (title, user) in [("one", json!(1)), ("two", json!(1)), ("other", json!("1"))] {
        let input = json!({ "input": { "title": title, "userId": user } });
        let chat = server.data(create, input).await["createChat"]["chat"]["id"].take();
        let chat = chat.as_str().unwrap().to_owned();
        write(&server, &chat, &format!("whale {title}")).await;
        chats.push(chat);
    }
    assert_eq!(
        found(&server, json!({ "query": "whale" })).await,
        ["whale two", "whale one"]
    );
    assert_eq!(
        found(&server, json!({ "query": "whale", "userId": "1" })).await,
        ["whale other"]
    );
    assert_eq!(
        found(&server, json!({ "query": "whale", "chatId": chats[0] })).await,
        ["whale one"]
    );
    // A chat that is not that user's holds nothing of theirs.
    let variables = json!({ "query": "whale", "chatId": chats[0], "userId": "1" });
    assert_eq!(found(&server, variables).await, [""; 0]);
}

async fn results_are_paged_newest_first(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut texts = Vec::new();
    for n in 0..7 {
        let text = format!("wave {n}");
        write(&server, &chat, &text).await;
        texts.insert(0, text);
    }
    let (mut after, mut read) = (Value::Null, Vec::new());
    loop {
        let variables = json!({ "query": "wave", "first": 3, "after": after });
        let mut page = server.data(SEARCH, variables).await["searchMessages"].take();
        let nodes = page["nodes"].as_array().unwrap();
        read.extend(nodes.iter().map(|node| node["text"].as_str().unwrap().to_owned()));
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        assert_eq!(nodes.len(), 3);
        after = page["pageInfo"]["endCursor"].take();
    }
    assert_eq!(read, texts);
}
