//! A database of the documented system, with everything odd in it, is served in full by every face, and stays as it
//! was, byte for byte, but for the counts that are kept with a long chat.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::documented::{BUSY, Documented, LARGE_USER, TEXT_USER, bytes_of};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Smaller than most lists, and no divisor of their lengths.
const PAGE: usize = 7;
/// The largest page of the documented API.
const PAGE_MAX: usize = 100;

const CHATS: &str = "query ($user: UserId, $first: Int, $after: String, $last: Int, $before: String) {
    list: chats(userId: $user, first: $first, after: $after, last: $last, before: $before) {
        nodes { id userId documentId title status createdAt updatedAt messageCount lastMessage { id } }
        pageInfo { hasNextPage endCursor hasPreviousPage startCursor } } }";
const MESSAGES: &str = "query ($chat: ID!, $first: Int, $after: String, $last: Int, $before: String) {
    chat(id: $chat) { list: messages(first: $first, after: $after, last: $last, before: $before) {
        nodes { id chat { id } text author type reaction tokenCount isEdited createdAt updatedAt }
        pageInfo { hasNextPage endCursor hasPreviousPage startCursor } } } }";

struct Faces {
    server: Server,
    http: reqwest::Client,
}

impl Faces {
    async fn get(&self, path: &str) -> Value {
        let response = self.http.get(self.server.at(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// A list of the documented API, page by page, and its total.
    async fn by_number(&self, path: &str, list: Option<&str>, limit: usize) -> Vec<Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let mut answer = self.get(&format!("{path}?page={page}&limit={limit}")).await;
            let answer = match list {
                Some(list) => answer[list].take(),
                None => answer,
            };
            let items = answer.as_array().unwrap().clone();
            if items.is_empty() {
                break;
            }
            all.extend(items);
        }
        all
    }

    /// A list of the GraphQL API, by its cursors from its beginning to its end.
    async fn by_cursor(&self, query: &str, variables: &Value, size: usize) -> Vec<Value> {
        let mut all = Vec::new();
        let mut after = Value::Null;
        loop {
            let list = self
                .page(query, variables, json!({ "first": size, "after": after }))
                .await;
            all.extend(list["nodes"].as_array().unwrap().iter().cloned());
            if list["pageInfo"]["hasNextPage"] == false {
                return all;
            }
            assert_ne!(after, list["pageInfo"]["endCursor"], "the list does not go on");
            after = list["pageInfo"]["endCursor"].clone();
            assert!(all.len() < 2 * BUSY, "the list has no end");
        }
    }

    /// The same from its end to its beginning.
    async fn backwards(&self, query: &str, variables: &Value, size: usize) -> Vec<Value> {
        let mut all = Vec::new();
        let mut before = Value::Null;
        loop {
            let list = self
                .page(query, variables, json!({ "last": size, "before": before }))
                .await;
            all.extend(list["nodes"].as_array().unwrap().iter().rev().cloned());
            if list["pageInfo"]["hasPreviousPage"] == false {
                all.reverse();
                return all;
            }
            before = list["pageInfo"]["startCursor"].clone();
            assert!(all.len() < 2 * BUSY, "the list has no beginning");
        }
    }

    async fn page(&self, query: &str, variables: &Value, page: Value) -> Value {
        let mut all = variables.as_object().unwrap().clone();
        all.extend(page.as_object().unwrap().clone());
        let mut data = self.server.data(query, all.into()).await;
        match data.get("chat").is_some() {
            true => data["chat"]["list"].take(),
            false => data["list"].take(),
        }
    }
}

/// A date-time of the documented API as GraphQL puts it: to the millisecond, with its zone.
fn with_zone(time: &Value) -> String {
    let time = time.as_str().unwrap();
    match time.split_once('.') {
        Some((second, fraction)) => format!("{second}.{}Z", fraction.strip_suffix("000").unwrap()),
        None => format!("{time}.000Z"),
    }
}

fn chat_of_rest(chat: &Value) -> Value {
    json!({
        "id": chat["_id"], "userId": chat["user_id"], "documentId": chat["document_id"], "title": chat["title"],
        "status": chat["status"], "createdAt": with_zone(&chat["created_at"]),
        "updatedAt": with_zone(&chat["updated_at"]),
    })
}

fn message_of_rest(message: &Value) -> Value {
    let author = if message["is_bot"] == true { "BOT" } else { "USER" };
    json!({
        "id": message["_id"], "chat": { "id": message["chat_id"] }, "text": message["message"], "author": author,
        "type": message["type"], "reaction": message["reaction"], "tokenCount": message["token"],
        "isEdited": message["is_edited"], "createdAt": with_zone(&message["created_ts"]),
        "updatedAt": with_zone(&message["updated_ts"]),
    })
}

fn by_id(items: Vec<Value>) -> BTreeMap<String, Value> {
    let count = items.len();
    let by_id: BTreeMap<_, _> = items
        .into_iter()
        .map(|item| (item["id"].as_str().unwrap().to_owned(), item))
        .collect();
    assert_eq!(by_id.len(), count, "something is listed twice");
    by_id
}

#[tokio::test]
async fn every_face_serves_every_old_document_alike_and_changes_none() {
    let scratch = Scratch::mongo().await;
    let database = scratch.database().await;
    let documented = Documented::fill(&database).await;
    let before = bytes_of(&database).await;
    let faces = Faces {
        server: Server::start(&scratch),
        http: reqwest::Client::new(),
    };

    let mut listed = 0;
    let mut last_messages = BTreeMap::new();
    for (user, path) in [
        (json!(1), "1".to_owned()),
        (json!(LARGE_USER), LARGE_USER.to_string()),
        (json!(TEXT_USER), TEXT_USER.replace('|', "%7C")),
    ] {
        let path = format!("/chat/user/{path}");
        let rest = faces.by_number(&path, Some("chats"), 3).await;
        // A chat whose id is no ObjectId is counted, and in no list.
        let hidden = usize::from(user == 1);
        assert_eq!(faces.get(&path).await["total"], rest.len() + hidden);
        let variables = json!({ "user": user });
        let mut graphql = faces.by_cursor(CHATS, &variables, 3).await;
        assert_eq!(faces.backwards(CHATS, &variables, 2).await, graphql);
        listed += graphql.len();
        for chat in &mut graphql {
            let fields = chat.as_object_mut().unwrap();
            let count = fields.remove("messageCount").unwrap();
            let last = fields.remove("lastMessage").unwrap();
            last_messages.insert(fields["id"].as_str().unwrap().to_owned(), last);
            let path = format!("/chat/{}", chat["id"].as_str().unwrap());
            assert_eq!(chat_of_rest(&faces.get(&path).await), *chat);
            assert_eq!(faces.get(&format!("{path}/full")).await["total_messages"], count);
            let status = faces
                .get(&format!("/chat/ws/{}/status", chat["id"].as_str().unwrap()))
                .await;
            assert_eq!(
                (&status["is_active"], &status["connection_count"]),
                (&json!(false), &json!(0))
            );
        }
        let rest = rest.iter().map(chat_of_rest).collect();
        assert_eq!(by_id(rest), by_id(graphql));
    }
    assert_eq!(listed, documented.chats.len());

    for (title, id) in &documented.chats {
        let path = format!("/chat/{}", id.to_hex());
        let size = if *title == "busy" { PAGE_MAX } else { PAGE };
        let rest = faces.by_number(&format!("{path}/messages"), None, size).await;
        let full = faces
            .by_number(&format!("{path}/full"), Some("messages"), PAGE_MAX)
            .await;
        assert_eq!(rest, full, "{title}");
        let variables = json!({ "chat": id.to_hex() });
        let graphql = faces.by_cursor(MESSAGES, &variables, size).await;
        let last = graphql.last().map(|last| json!({ "id": last["id"] }));
        assert_eq!(last_messages[&id.to_hex()], json!(last), "{title}");
        let rest: Vec<_> = rest.iter().map(message_of_rest).collect();
        assert_eq!(rest, graphql, "{title}");
        assert_eq!(
            faces.backwards(MESSAGES, &variables, size).await,
            graphql,
            "{title}"
        );
        for size in [1, 2] {
            if *title != "busy" {
                assert_eq!(
                    faces.by_cursor(MESSAGES, &variables, size).await,
                    graphql,
                    "{title}"
                );
                assert_eq!(
                    faces.backwards(MESSAGES, &variables, size).await,
                    graphql,
                    "{title}"
                );
            }
        }
        let total = faces.get(&format!("{path}/full")).await["total_messages"]
            .as_u64()
            .unwrap();
        // A message whose id is no ObjectId is counted, and in no list.
        let hidden = u64::from(*title == "base");
        assert_eq!(total, graphql.len() as u64 + hidden, "{title}");
        by_id(graphql);
    }

    let kept = mongodb::bson::doc! { "counts.until": { "$type": "date" } };
    let chats = database.collection::<mongodb::bson::Document>("chats");
    while chats.count_documents(kept.clone()).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let (status, log) = faces.server.stop();
    assert!(status.success(), "{log}");
    let after = bytes_of(&database).await;
    assert_eq!(after.len(), before.len());
    let counted = after
        .iter()
        .zip(&before)
        .filter(|(after, before)| after != before);
    let counted: Vec<_> = counted.collect();
    // The one long chat has its counts behind all else.
    assert_eq!(counted.len(), 1);
    for (after, before) in counted {
        let fields = &before[4..before.len() - 1];
        assert!(after[4..].starts_with(fields));
        assert!(after[4 + fields.len()..].starts_with(b"\x03counts\0"));
    }
    scratch.remove().await;
}
