//! Chats, messages and reactions, as a client makes, lists and changes them.

use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::make;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    a_chat_lives_from_its_creation_to_its_deletion,
    a_message_lives_from_its_creation_to_its_deletion,
    a_message_is_the_same_whether_or_not_something_beside_it_is_waited_for,
    a_list_is_walked_by_its_cursors_in_both_directions,
    the_same_client_key_is_the_same_message,
    a_list_of_chats_with_all_their_parts_agrees_with_each_part_alone,
    users_by_number_and_by_text_have_chats_of_their_own,
}

const CHAT: &str = "query ($id: ID!) { chat(id: $id) { id title status userId documentId createdAt updatedAt
    messageCount tokenCount lastMessage { id } activeReply { id } messages { nodes { id } } } }";

async fn a_chat_lives_from_its_creation_to_its_deletion(scratch: &Scratch) {
    let server = Server::start(scratch);
    let document = make::id().to_string();
    let create = "mutation ($input: CreateChatInput!) { createChat(input: $input) { chat {
        id title status userId documentId createdAt updatedAt messageCount } } }";
    let input =
        json!({ "title": "  कल की योजना ", "documentId": document, "userId": 42, "status": "pending" });
    let chat = server.data(create, json!({ "input": input })).await["createChat"]["chat"].take();
    let id = json!({ "id": chat["id"] });
    assert_eq!(
        chat,
        json!({
            "id": chat["id"], "title": "  कल की योजना ", "status": "pending", "userId": 42, "documentId": document,
            "createdAt": chat["createdAt"], "updatedAt": chat["createdAt"], "messageCount": 0,
        })
    );
    let read = server.data(CHAT, id.clone()).await["chat"].take();
    for (name, value) in chat.as_object().unwrap() {
        assert_eq!(&read[name], value, "{name}");
    }
    assert_eq!(
        (&read["lastMessage"], &read["activeReply"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&read["tokenCount"], &read["messages"]["nodes"]),
        (&json!(0), &json!([]))
    );

    let update =
        "mutation ($id: ID!) { updateChat(input: {id: $id, title: \"Later\"}) { chat { title status } } }";
    let updated = server.data(update, id.clone()).await;
    assert_eq!(
        updated["updateChat"]["chat"],
        json!({ "title": "Later", "status": "pending" })
    );

    let node = "query ($id: ID!) { node(id: $id) { __typename ... on Chat { title } } }";
    assert_eq!(
        server.data(node, id.clone()).await["node"],
        json!({ "__typename": "Chat", "title": "Later" })
    );

    let delete = "mutation ($id: ID!) { deleteChat(input: {id: $id}) { deletedChatId } }";
    assert_eq!(
        server.data(delete, id.clone()).await["deleteChat"]["deletedChatId"],
        id["id"]
    );
    assert_eq!(server.code(CHAT, id.clone()).await, "NOT_FOUND");
    assert_eq!(server.data(node, id.clone()).await["node"], Value::Null);
    assert_eq!(server.code(delete, id).await, "NOT_FOUND");
}

async fn a_message_lives_from_its_creation_to_its_deletion(scratch: &Scratch) {
    const FIELDS: &str =
        "id text author type reaction isEdited tokenCount clientKey reply { state } chat { id }";
    // A bot's message that was stored whole is a reply that is complete.
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let change = async |mutation: &str, input: Value| {
        let name = mutation.split('(').next().unwrap();
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let query =
            format!("mutation ($input: {kind}!) {{ {name}(input: $input) {{ message {{ {FIELDS} }} }} }}");
        server.data(&query, json!({ "input": input })).await[name]["message"].take()
    };
    let input =
        json!({ "chatId": chat, "text": "नमस्ते 👋", "author": "BOT", "type": "greeting", "tokenCount": 4 });
    let mut expected = change("createMessage", input).await;
    let id = expected["id"].clone();
    assert_eq!(
        expected,
        json!({
            "id": id, "text": "नमस्ते 👋", "author": "BOT", "type": "greeting", "reaction": null, "isEdited": false,
            "tokenCount": 4, "clientKey": null, "reply": { "state": "COMPLETE" }, "chat": { "id": chat },
        })
    );
    for reaction in ["👍", "❤️"] {
        expected["reaction"] = json!(reaction);
        assert_eq!(
            change("addReaction", json!({ "messageId": id, "reaction": reaction })).await,
            expected
        );
    }
    expected["reaction"] = Value::Null;
    for _ in 0..2 {
        assert_eq!(
            change("removeReaction", json!({ "messageId": id })).await,
            expected
        );
    }
    expected["text"] = json!("Edited");
    expected["isEdited"] = json!(true);
    assert_eq!(
        change("updateMessage", json!({ "id": id, "text": "Edited" })).await,
        expected
    );

    let read = format!("query ($id: ID!) {{ message(id: $id) {{ {FIELDS} }} node(id: $id) {{ id }} }}");
    let node = "query ($id: ID!) { node(id: $id) { id } }";
    let id = json!({ "id": id });
    assert_eq!(
        server.data(&read, id.clone()).await,
        json!({ "message": expected, "node": id })
    );

    let delete =
        "mutation ($id: ID!) { deleteMessage(input: {id: $id}) { deletedMessageId chat { messageCount } } }";
    let deleted = json!({ "deletedMessageId": id["id"], "chat": { "messageCount": 0 } });
    assert_eq!(server.data(delete, id.clone()).await["deleteMessage"], deleted);
    assert_eq!(server.code(&read, id.clone()).await, "NOT_FOUND");
    assert_eq!(server.data(node, id.clone()).await["node"], Value::Null);
    assert_eq!(server.code(delete, id).await, "NOT_FOUND");
}

async fn a_message_is_the_same_whether_or_not_something_beside_it_is_waited_for(scratch: &Scratch) {
    const CREATE: &str =
        "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    for author in ["USER", "BOT"] {
        let input = json!({ "chatId": chat, "text": "Hello", "author": author, "tokenCount": 4, "clientKey": author });
        server.data(CREATE, json!({ "input": input })).await;
    }
    for selection in [
        "id author text type reaction tokenCount isTokenCountEstimated isEdited createdAt updatedAt clientKey",
        "__typename words: text text again: text text",
        "... { text } ... on Message { author } ... on Node { id } ... @include(if: true) { type }",
        "... on Node { ... on Chat { title } ... on Message { reaction } } ...Written",
        "reply { state cursor model usage { prompt { tokens } } timings { queuedAt } error { code } }",
        "reply { state } reply { cursor } reply { ...Standing }",
        "skipped: text @skip(if: true) text @skip(if: false)",
    ] {
        let fragments = [
            "fragment Written on Message { createdAt }",
            "fragment Standing on Reply { state __typename }",
        ];
        let used = fragments.into_iter().filter(|fragment| {
            let name = fragment.split(' ').nth(1).unwrap();
            selection.contains(&format!("...{name}"))
        });
        let used: String = used.collect();
        let read = async |beside: &str| {
            let nodes = format!("{{ {selection} {beside} }}");
            let query =
                format!("query ($id: ID!) {{ chat(id: $id) {{ messages {{ nodes {nodes} }} }} }} {used}");
            server.data(&query, json!({ "id": chat })).await["chat"]["messages"]["nodes"].take()
        };
        let at_hand = read("").await;
        let mut waited_for = read("chat { id }").await;
        for message in waited_for.as_array_mut().unwrap() {
            let beside = message.as_object_mut().unwrap().remove("chat");
            assert_eq!(beside, Some(json!({ "id": chat })));
        }
        assert_eq!(at_hand, waited_for, "{selection}");
        assert_eq!(at_hand.as_array().map(Vec::len), Some(2), "{selection}");
    }
}

async fn a_list_is_walked_by_its_cursors_in_both_directions(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let texts: Vec<_> = (0..23).map(|n| format!("message {n}")).collect();
    let create = "mutation ($chat: ID!, $text: String!) { createMessage(input: {chatId: $chat, text: $text}) { message { id } } }";
    for text in &texts {
        server.data(create, json!({ "chat": chat, "text": text })).await;
    }
    let page = "query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
        chat(id: $id) { messages(first: $first, after: $after, last: $last, before: $before) {
            edges { cursor node { text } } nodes { text }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let read = async |arguments: Value| {
        let mut variables = arguments;
        variables["id"] = json!(chat);
        let mut page = server.data(page, variables).await["chat"]["messages"].take();
        let edges = page["edges"].take();
        let edges = edges.as_array().unwrap();
        let texts: Vec<_> = edges
            .iter()
            .map(|edge| edge["node"]["text"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(page["nodes"].as_array().unwrap().len(), texts.len());
        let info = page["pageInfo"].take();
        assert_eq!(
            edges.first().map(|edge| &edge["cursor"]).unwrap_or(&Value::Null),
            &info["startCursor"]
        );
        assert_eq!(
            edges.last().map(|edge| &edge["cursor"]).unwrap_or(&Value::Null),
            &info["endCursor"]
        );
        (texts, info)
    };

    let (mut forwards, mut after) = (Vec::new(), Value::Null);
    loop {
        let (texts, info) = read(json!({ "first": 5, "after": after })).await;
        forwards.extend(texts);
        after = info["endCursor"].clone();
        if info["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(forwards, texts);

    let (mut backwards, mut before) = (Vec::new(), Value::Null);
    loop {
        let (texts, info) = read(json!({ "last": 5, "before": before })).await;
        backwards.splice(0..0, texts);
        before = info["startCursor"].clone();
        if info["hasPreviousPage"] == false {
            break;
        }
    }
    assert_eq!(backwards, texts);

    let (behind_the_end, info) = read(json!({ "first": 5, "after": after })).await;
    assert_eq!((behind_the_end.len(), &info["hasNextPage"]), (0, &json!(false)));
}

async fn the_same_client_key_is_the_same_message(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id text } reply { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "Hello", "clientKey": "key-1" } });
    let sendings = (0..20).map(|_| server.data(send, input.clone()));
    let sent = futures_util::future::join_all(sendings).await;
    assert!(sent.iter().all(|other| *other == sent[0]), "{sent:?}");
    let count = "query ($id: ID!) { chat(id: $id) { messageCount } }";
    assert_eq!(
        server.data(count, json!({ "id": chat })).await["chat"]["messageCount"],
        2
    );
}

async fn a_list_of_chats_with_all_their_parts_agrees_with_each_part_alone(scratch: &Scratch) {
    let server = Server::start(scratch);
    for n in 0..7 {
        let chat = server.create_chat(&format!("chat {n}")).await;
        for m in 0..n {
            let create =
                "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
            let input = json!({ "chatId": chat, "text": format!("{n}.{m}"), "tokenCount": m });
            server.data(create, json!({ "input": input })).await;
        }
    }
    const PARTS: &str = "id title messageCount tokenCount lastMessage { text } activeReply { id }
        first: messages(first: 3) { nodes { text } } last: messages(last: 2) { nodes { text chat { title } } }";
    let list = server
        .data(
            &format!("{{ chats(first: 20) {{ nodes {{ {PARTS} }} }} }}"),
            json!({}),
        )
        .await;
    let list = list["chats"]["nodes"].as_array().unwrap().clone();
    let titles: Vec<_> = list.iter().map(|chat| chat["title"].as_str().unwrap()).collect();
    let last_written_first: Vec<_> = (0..7).rev().map(|n| format!("chat {n}")).collect();
    assert_eq!(titles, last_written_first);
    assert_eq!(list[0]["messageCount"], 6);
    assert_eq!(list[0]["tokenCount"], 15);
    assert_eq!(list[0]["lastMessage"]["text"], "6.5");
    for chat in &list {
        let alone = format!("query ($id: ID!) {{ chat(id: $id) {{ {PARTS} }} }}");
        assert_eq!(
            &server.data(&alone, json!({ "id": chat["id"] })).await["chat"],
            chat
        );
    }
}

async fn users_by_number_and_by_text_have_chats_of_their_own(scratch: &Scratch) {
    let server = Server::start(scratch);
    let create =
        "mutation ($user: UserId) { createChat(input: {title: \"x\", userId: $user}) { chat { id } } }";
    let list = "query ($user: UserId) { chats(userId: $user) { nodes { id userId } } }";
    for user in [
        json!(1),
        json!(7),
        json!("7"),
        json!("auth0|7"),
        json!(i64::MAX),
        json!(i64::MIN),
    ] {
        let chat = server.data(create, json!({ "user": user })).await["createChat"]["chat"]["id"].take();
        let listed = server.data(list, json!({ "user": user })).await["chats"]["nodes"].take();
        assert_eq!(listed, json!([{ "id": chat, "userId": user }]));
    }
    // Who names nobody is the user that documented clients name.
    let own = server
        .data("{ viewer { userId } chats { nodes { userId } } }", json!({}))
        .await;
    assert_eq!(
        own,
        json!({ "viewer": { "userId": 1 }, "chats": { "nodes": [{ "userId": 1 }] } })
    );
}
