//! Bad input gets an error with a stable code, stores nothing, and is no error of the server's.

use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::make;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    each_kind_of_bad_input_has_its_code_and_changes_nothing,
}

/// Everything that is stored, and when it was last changed.
const EVERYTHING: &str = "{ chats(first: 50) { nodes { id title status updatedAt messageCount
    messages(first: 50) { nodes { id text type reaction isEdited updatedAt reply { state } } } } } }";

async fn each_kind_of_bad_input_has_its_code_and_changes_nothing(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "Hello", "clientKey": "taken" } });
    let message = server.data(create, input).await["createMessage"]["message"]["id"].take();
    let before = server.data(EVERYTHING, json!({})).await;

    for (code, query, variables) in cases(&chat, message.as_str().unwrap()) {
        assert_eq!(
            server.code(&query, variables.clone()).await,
            code,
            "{query} {variables}"
        );
    }

    assert_eq!(server.data(EVERYTHING, json!({})).await, before);
    let (status, log) = server.stop();
    assert!(status.success());
    assert!(!log.contains("\"ERROR\""), "{log}");
}

/// The code that each request must fail with.
fn cases(chat: &str, message: &str) -> Vec<(&'static str, String, Value)> {
    let mut cases = Vec::new();
    let unknown = make::id().to_string();

    let mut with_id = |code, id: &str| {
        for query in [
            "query ($id: ID!) { chat(id: $id) { id } }",
            "query ($id: ID!) { message(id: $id) { id } }",
            "query ($id: ID!) { node(id: $id) { id } }",
            "mutation ($id: ID!) { updateChat(input: {id: $id, title: \"x\"}) { chat { id } } }",
            "mutation ($id: ID!) { deleteChat(input: {id: $id}) { deletedChatId } }",
            "mutation ($id: ID!) { sendMessage(input: {chatId: $id, text: \"x\"}) { reply { id } } }",
            "mutation ($id: ID!) { createMessage(input: {chatId: $id, text: \"x\"}) { message { id } } }",
            "mutation ($id: ID!) { updateMessage(input: {id: $id, text: \"x\"}) { message { id } } }",
            "mutation ($id: ID!) { deleteMessage(input: {id: $id}) { deletedMessageId } }",
            "mutation ($id: ID!) { addReaction(input: {messageId: $id, reaction: \"x\"}) { message { id } } }",
            "mutation ($id: ID!) { removeReaction(input: {messageId: $id}) { message { id } } }",
            "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { id } } }",
        ] {
            // `node` answers null for what does not exist, as its specification says.
            if code != "NOT_FOUND" || !query.contains("node(") {
                cases.push((code, query.to_owned(), json!({ "id": id })));
            }
        }
    };
    with_id("NOT_FOUND", &unknown);
    let long = "7".repeat(1000);
    for malformed in [
        "",
        "7",
        "not-an-id",
        "zzzzzzzzzzzzzzzzzzzzzzzz",
        "5f7c8ec7c33c6c004bbafe8Ⅶ",
        &long,
    ] {
        with_id("INVALID_ID", malformed);
    }
    let mut case = |code, query: &str, variables: Value| cases.push((code, query.to_owned(), variables));

    let create = "mutation ($input: CreateChatInput!) { createChat(input: $input) { chat { id } } }";
    let rename = "mutation ($input: UpdateChatInput!) { updateChat(input: $input) { chat { id } } }";
    for title in [String::new(), " \t\n\u{2003}".to_owned(), "ж".repeat(201)] {
        case("INVALID_TITLE", create, json!({ "input": { "title": title } }));
        case(
            "INVALID_TITLE",
            rename,
            json!({ "input": { "id": chat, "title": title } }),
        );
    }
    for label in [String::new(), " ".to_owned(), "x".repeat(65)] {
        case(
            "INVALID_LABEL",
            create,
            json!({ "input": { "title": "x", "status": label } }),
        );
        case(
            "INVALID_LABEL",
            rename,
            json!({ "input": { "id": chat, "status": label } }),
        );
        let react = "mutation ($input: AddReactionInput!) { addReaction(input: $input) { message { id } } }";
        case(
            "INVALID_LABEL",
            react,
            json!({ "input": { "messageId": message, "reaction": label } }),
        );
    }
    case(
        "INVALID_ID",
        create,
        json!({ "input": { "title": "x", "documentId": "x" } }),
    );
    for user in [json!(""), json!("x".repeat(256))] {
        case(
            "INVALID_USER_ID",
            create,
            json!({ "input": { "title": "x", "userId": user } }),
        );
        case(
            "INVALID_USER_ID",
            "query ($user: UserId) { chats(userId: $user) { nodes { id } } }",
            json!({ "user": user }),
        );
    }
    case(
        "BAD_USER_INPUT",
        create,
        json!({ "input": { "title": "x", "userId": 1.5 } }),
    );

    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let write = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let edit = "mutation ($input: UpdateMessageInput!) { updateMessage(input: $input) { message { id } } }";
    for text in [String::new(), " \n ".to_owned(), "न".repeat(32 * 1024 / 3 + 1)] {
        case(
            "INVALID_TEXT",
            send,
            json!({ "input": { "chatId": chat, "text": text } }),
        );
        case(
            "INVALID_TEXT",
            write,
            json!({ "input": { "chatId": chat, "text": text } }),
        );
        case(
            "INVALID_TEXT",
            edit,
            json!({ "input": { "id": message, "text": text } }),
        );
    }
    for key in [
        String::new(),
        "a b".to_owned(),
        "ключ".to_owned(),
        "k".repeat(129),
    ] {
        case(
            "INVALID_CLIENT_KEY",
            send,
            json!({ "input": { "chatId": chat, "text": "x", "clientKey": key } }),
        );
        case(
            "INVALID_CLIENT_KEY",
            write,
            json!({ "input": { "chatId": chat, "text": "x", "clientKey": key } }),
        );
    }
    case(
        "CONFLICT",
        write,
        json!({ "input": { "chatId": chat, "text": "Other", "clientKey": "taken" } }),
    );
    case(
        "CONFLICT",
        send,
        json!({ "input": { "chatId": chat, "text": "Hello", "clientKey": "taken" } }),
    );
    case(
        "NOT_A_REPLY",
        "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { id } } }",
        json!({ "id": message }),
    );

    for tag in [String::new(), "not a language".to_owned(), "x".repeat(65)] {
        let input = json!({ "input": { "chatId": chat, "text": "x", "language": tag } });
        case("INVALID_LANGUAGE", send, input);
    }
    for zone in ["", "Mars/Olympus", "+05:30"] {
        let input = json!({ "input": { "chatId": chat, "text": "x", "timezone": zone } });
        case("INVALID_TIME_ZONE", send, input);
    }
    let search = "query ($query: String!) { searchMessages(query: $query) { nodes { id } } }";
    for query in [
        String::new(),
        " \n🙂".to_owned(),
        "a ".repeat(17),
        "a".repeat(257),
    ] {
        case("INVALID_SEARCH", search, json!({ "query": query }));
    }
    let again = "mutation ($id: ID!) { regenerateReply(input: {messageId: $id}) { reply { id } } }";
    case("NOT_A_REPLY", again, json!({ "id": message }));
    case("NOT_FOUND", again, json!({ "id": "5f7c8ec7c33c6c004bbafe82" }));
    let typing =
        "mutation ($id: ID!) { setTyping(input: {chatId: $id, isTyping: true}) { typing { until } } }";
    case("INVALID_ID", typing, json!({ "id": "x" }));
    case("NOT_FOUND", typing, json!({ "id": "5f7c8ec7c33c6c004bbafe82" }));

    for (code, arguments) in [
        ("INVALID_PAGE_SIZE", "first: 101"),
        ("INVALID_PAGE_SIZE", "first: 0"),
        ("INVALID_PAGE_SIZE", "first: -1"),
        ("INVALID_PAGE_SIZE", "last: 101"),
        ("INVALID_PAGE", "first: 5, last: 5"),
        ("INVALID_CURSOR", "first: 5, after: \"\""),
        ("INVALID_CURSOR", "first: 5, after: \"forged\""),
        (
            "INVALID_CURSOR",
            "last: 5, before: \"cAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
        ),
        // A cursor of a reply is none of a list.
        ("INVALID_CURSOR", "first: 5, after: \"cgAAAAAAAAAA70bbN1HYopk\""),
    ] {
        case(
            code,
            &format!("{{ chats({arguments}) {{ nodes {{ id }} }} }}"),
            json!({}),
        );
        let messages =
            format!("query ($id: ID!) {{ chat(id: $id) {{ messages({arguments}) {{ nodes {{ id }} }} }} }}");
        case(code, &messages, json!({ "id": chat }));
    }

    case("GRAPHQL_PARSE_FAILED", "{ chats(", json!({}));
    case("GRAPHQL_PARSE_FAILED", "", json!({}));
    case("GRAPHQL_VALIDATION_FAILED", "{ nothing }", json!({}));
    case(
        "GRAPHQL_VALIDATION_FAILED",
        "{ chats(first: \"five\") { nodes { id } } }",
        json!({}),
    );
    let nested = format!(
        "{{ chats {{ nodes {} }} }}",
        "{ messages { nodes { chat ".repeat(5) + "{ id }" + &" } } }".repeat(5)
    );
    case("QUERY_TOO_COMPLEX", &nested, json!({}));
    cases
}
