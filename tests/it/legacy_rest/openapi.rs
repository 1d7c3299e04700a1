//! The API's description: it has what the server has, and the server answers what it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Client, read};
use crate::on_both_stores;
use crate::support::program::{browser, run};
use crate::support::scratch::Scratch;

on_both_stores! { every_answer_is_as_described_and_every_described_answer_is_given }

/// Every documented route.
const ROUTES: [(&str, &str); 14] = [
    ("post", "/chat/"),
    ("get", "/chat/user/{user_id}"),
    ("get", "/chat/{chat_id}"),
    ("put", "/chat/{chat_id}"),
    ("delete", "/chat/{chat_id}"),
    ("get", "/chat/{chat_id}/messages"),
    ("post", "/chat/{chat_id}/messages"),
    ("get", "/chat/{chat_id}/messages/{message_id}"),
    ("put", "/chat/{chat_id}/messages/{message_id}"),
    ("delete", "/chat/{chat_id}/messages/{message_id}"),
    ("post", "/chat/{chat_id}/messages/{message_id}/reaction"),
    ("delete", "/chat/{chat_id}/messages/{message_id}/reaction"),
    ("get", "/chat/{chat_id}/full"),
    ("get", "/chat/ws/{chat_id}/status"),
];

/// Each operation of a description: its method, its path and itself.
fn operations(description: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = description["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            operations.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
        .collect()
}

#[tokio::test]
async fn the_description_has_the_documented_routes_and_the_server_has_the_described_ones() {
    let scratch = Scratch::embedded().await;
    let mut client = Client::start(&scratch);
    let description = client.get("/openapi.json").await;
    let described: BTreeSet<_> = operations(&description)
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .collect();
    assert_eq!(described, BTreeSet::from(ROUTES));
    let socket = description["info"]["description"].as_str().unwrap();
    assert!(socket.contains("/chat/ws/{chat_id}"), "{socket}");
    assert_eq!(
        description["servers"],
        json!([{ "url": "" }, { "url": "/api/v1" }])
    );
    for prefix in ["", "/api/v1"] {
        client.below(prefix);
        for (method, path) in &described {
            let answer = client.bare(&method.to_uppercase(), path).await;
            assert_ne!(answer.status, 405, "{method} {prefix}{path}");
            assert_ne!(answer.json()["detail"], "Not Found", "{method} {prefix}{path}");
        }
    }
}

#[tokio::test]
async fn the_description_names_the_prefix_that_there_is() {
    for (prefix, servers) in [
        ("/old/api", json!([{ "url": "" }, { "url": "/old/api" }])),
        ("", json!([{ "url": "" }])),
    ] {
        let scratch = Scratch::embedded().await;
        let client = Client::start_with(&scratch, &["--legacy-prefix", prefix]);
        assert_eq!(client.get("/openapi.json").await["servers"], servers);
    }
}

/// A client that holds each answer against the description.
struct Reader {
    client: Client,
    description: Value,
    given: BTreeSet<(String, String, String)>,
    chat: String,
    message: String,
}

impl Reader {
    async fn start(scratch: &Scratch, arguments: &[&str]) -> Self {
        let client = Client::start_with(scratch, arguments);
        let mut description = client.get("/openapi.json").await;
        // What is not described must not be answered.
        for (_, schema) in description["components"]["schemas"].as_object_mut().unwrap() {
            if schema.get("properties").is_some() {
                schema["additionalProperties"] = json!(false);
            }
        }
        Self {
            client,
            description,
            given: BTreeSet::new(),
            chat: "CHAT".to_owned(),
            message: "MESSAGE".to_owned(),
        }
    }

    /// Holds a value against a schema of the description.
    fn check(&self, schema: &Value, value: &Value) {
        assert!(schema.is_object(), "nothing is described for {value}");
        let mut schema = schema.clone();
        schema["components"] = self.description["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{value}: {errors:?}");
    }

    /// Sends a request whose answer must have this status and be as described.
    async fn call(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        body: Option<Value>,
        status: u16,
    ) -> Value {
        let filled = path
            .replace("{user_id}", "1")
            .replace("{chat_id}", &self.chat)
            .replace("{message_id}", &self.message);
        let sent = body
            .as_ref()
            .map(|body| ("application/json", body.to_string().into_bytes()));
        let answer = read(
            self.client
                .send(&method.to_uppercase(), &format!("{filled}{query}"), sent)
                .await,
        )
        .await;
        let (answered, answer) = answer.both();
        assert_eq!(answered, status, "{method} {path}: {answer}");
        let operation = &self.description["paths"][path][method];
        let content = &operation["responses"][status.to_string()]["content"]["application/json"];
        self.check(&content["schema"], &answer);
        if let Some(body) = body.filter(|_| status == 200) {
            self.check(
                &operation["requestBody"]["content"]["application/json"]["schema"],
                &body,
            );
        }
        self.given
            .insert((method.to_owned(), path.to_owned(), status.to_string()));
        answer
    }
}

async fn every_answer_is_as_described_and_every_described_answer_is_given(scratch: &Scratch) {
    let mut reader = Reader::start(scratch, &["--builtin-faults", "stall@1=60s"]).await;
    let [chats, of_user, chat, full] = [
        "/chat/",
        "/chat/user/{user_id}",
        "/chat/{chat_id}",
        "/chat/{chat_id}/full",
    ];
    let [messages, message] = [
        "/chat/{chat_id}/messages",
        "/chat/{chat_id}/messages/{message_id}",
    ];
    let reaction = "/chat/{chat_id}/messages/{message_id}/reaction";
    let status = "/chat/ws/{chat_id}/status";
    let wrong =
        json!({ "user_id": 1.5, "title": [], "message": {}, "status": 7, "token": 1e30, "extra": null });
    let huge = json!({ "title": "x".repeat(8 << 20) });

    // Of a chat that is not there, and of one that is.
    for (method, path, body) in [
        ("get", chat, None),
        ("put", chat, Some(json!({ "title": "t" }))),
        ("delete", chat, None),
        ("get", full, None),
        ("get", messages, None),
        ("post", messages, Some(json!({ "message": "m" }))),
        ("get", message, None),
        ("put", message, Some(json!({ "message": "m" }))),
        ("delete", message, None),
        ("delete", reaction, None),
    ] {
        reader.call(method, path, "", body, 404).await;
    }
    reader.call("post", reaction, "?reaction=x", None, 404).await;
    for (method, path) in [
        ("post", chats),
        ("put", chat),
        ("post", messages),
        ("put", message),
    ] {
        for body in [wrong.clone(), Value::Null, json!([1]), json!("text")] {
            reader.call(method, path, "", Some(body), 422).await;
        }
        reader.call(method, path, "", None, 422).await;
        reader.call(method, path, "", Some(huge.clone()), 413).await;
    }
    for path in [of_user, full, messages] {
        reader.call("get", path, "?page=0&limit=many", None, 422).await;
    }
    reader.call("post", reaction, "", None, 422).await;
    reader.call("get", status, "", None, 200).await;
    reader.call("get", of_user, "", None, 200).await;

    for body in [
        json!({ "user_id": 1, "title": "t", "status": "active", "document_id": "507f1f77bcf86cd799439011" }),
        json!({ "user_id": "auth0|1", "title": "t", "document_id": null }),
        json!({ "user_id": 1, "title": "t" }),
    ] {
        let made = reader.call("post", chats, "", Some(body), 200).await;
        reader.chat = made["chat_id"].as_str().unwrap().to_owned();
        reader.call("get", chat, "", None, 200).await;
    }
    reader.call("get", messages, "", None, 200).await;
    for body in [
        json!({ "message": "m" }),
        json!({ "message": "m", "is_bot": true, "type": null, "token": 3, "is_edited": true, "reaction": "👍" }),
    ] {
        let made = reader.call("post", messages, "", Some(body), 200).await;
        reader.message = made["message_id"].as_str().unwrap().to_owned();
        reader.call("get", message, "", None, 200).await;
    }
    for body in [
        json!({}),
        json!({ "message": "n", "reaction": null, "is_edited": false }),
    ] {
        reader.call("put", message, "", Some(body), 200).await;
    }
    for body in [json!({}), json!({ "title": "n", "status": null })] {
        reader.call("put", chat, "", Some(body), 200).await;
    }
    reader.call("post", reaction, "?reaction=x", None, 200).await;
    for path in [of_user, full, messages, message] {
        reader.call("get", path, "", None, 200).await;
    }
    reader.call("delete", reaction, "", None, 200).await;
    reader.call("delete", message, "", None, 200).await;
    // A reply that is still being written.
    reader.message = reader.client.server.send(&reader.chat, "Hello").await;
    reader
        .call("put", message, "", Some(json!({ "message": "x" })), 409)
        .await;
    reader.call("get", full, "", None, 200).await;
    reader.call("delete", chat, "", None, 200).await;

    let described: BTreeSet<_> = operations(&reader.description)
        .into_iter()
        .flat_map(|(method, path, operation)| {
            let statuses = operation["responses"].as_object().unwrap().keys();
            statuses.map(|status| (method.to_owned(), path.to_owned(), status.clone()))
        })
        .collect();
    assert_eq!(reader.given, described);
}

#[tokio::test]
async fn the_pages_that_show_the_description_need_no_other_host() {
    let scratch = Scratch::embedded().await;
    let client = Client::start(&scratch);
    client.any_chat().await;
    run(&mut browser("pages.js", &client.server));
}
