//! A database that the documented system wrote is served as it is, and nothing in it is changed by reading.

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use serde_json::{Value, json};

use colloquy::domain::{PageRequest, SearchScope, SearchWords, UserId};

use crate::support::scratch::Scratch;
use crate::support::server::Server;

fn at(millis: i64) -> DateTime {
    DateTime::from_millis(millis)
}

async fn everything(scratch: &Scratch) -> Vec<Document> {
    let database = scratch.database().await;
    let mut all = Vec::new();
    for collection in ["chats", "chat_messages"] {
        let found = database
            .collection::<Document>(collection)
            .find(doc! {})
            .sort(doc! { "_id": 1 })
            .await
            .unwrap();
        all.extend(found.try_collect::<Vec<_>>().await.unwrap());
    }
    all
}

#[tokio::test]
async fn every_variant_of_a_chat_is_listed_under_its_owner() {
    let scratch = Scratch::mongo().await;
    let ids: Vec<_> = (0..6).map(|_| ObjectId::new()).collect();
    let document = ObjectId::new();
    let chats = vec![
        // As documented, with the fields of a later revision.
        doc! { "_id": ids[0], "user_id": 1, "document_id": Bson::Null, "training_doc_id": Bson::Null, "title": "base",
        "status": "active", "created_at": at(1_000), "updated_at": at(9_000), "citation": [{ "page": 1 }] },
        doc! { "_id": ids[1], "user_id": 1_i64, "document_id": document, "title": "int64", "status": "inactive",
        "created_at": at(1_000), "updated_at": at(8_000) },
        doc! { "_id": ids[2], "user_id": 1.0, "document_id": document.to_hex(), "title": "double",
        "created_at": at(1_000), "updated_at": at(7_000) },
        doc! { "_id": ids[3], "user_id": 1, "document_id": "", "title": Bson::Null, "status": Bson::Null,
        "created_at": at(1_001), "updated_at": at(6_000) },
        // Other users.
        doc! { "_id": ids[4], "user_id": "1", "title": "text", "status": "active", "created_at": at(1), "updated_at": at(2) },
        doc! { "_id": ids[5], "user_id": i64::from(i32::MAX) + 1, "title": "large", "status": "pending",
        "created_at": at(1), "updated_at": at(2) },
    ];
    scratch
        .database()
        .await
        .collection("chats")
        .insert_many(chats)
        .await
        .unwrap();
    let before = everything(&scratch).await;
    let server = Server::start(&scratch);
    let list =
        "query ($user: UserId) { chats(userId: $user) { nodes { id title status documentId createdAt } } }";
    let read = async |user: Value| server.data(list, json!({ "user": user })).await["chats"]["nodes"].take();
    let documented = document.to_hex();
    let chat = |n: usize, title: &str, status: &str, document: Option<&str>, created: &str| {
        json!({ "id": ids[n].to_hex(), "title": title, "status": status, "documentId": document,
            "createdAt": format!("1970-01-01T00:00:{created}Z") })
    };
    let expected = json!([
        chat(0, "base", "active", None, "01.000"),
        chat(1, "int64", "inactive", Some(&documented), "01.000"),
        chat(2, "double", "active", Some(&documented), "01.000"),
        chat(3, "", "active", None, "01.001"),
    ]);
    assert_eq!(read(json!(1)).await, expected);
    assert_eq!(
        read(json!("1")).await,
        json!([chat(4, "text", "active", None, "00.001")])
    );
    let large = json!(i64::from(i32::MAX) + 1);
    assert_eq!(
        read(large).await,
        json!([chat(5, "large", "pending", None, "00.001")])
    );
    assert_eq!(everything(&scratch).await, before);
    scratch.remove().await;
}

#[tokio::test]
async fn every_variant_of_a_message_is_listed_in_its_chat() {
    let scratch = Scratch::mongo().await;
    let chat = ObjectId::new();
    let database = scratch.database().await;
    let document = doc! { "_id": chat, "user_id": 1, "title": "old", "status": "active", "created_at": at(1), "updated_at": at(2) };
    database.collection("chats").insert_one(document).await.unwrap();
    let whole = doc! { "_id": ObjectId::new(), "chat_id": chat, "message": "whole", "is_bot": false, "reaction": "👍",
    "token": 5, "type": "text", "is_edited": true, "training_doc_id": Bson::Null, "created_ts": at(1), "updated_ts": at(1),
    "citation": { "source": "page 7" } };
    let tokens = [
        Bson::Null,
        Bson::Int64(6),
        Bson::Double(7.0),
        "8".into(),
        "eight".into(),
    ];
    let mut messages = vec![whole.clone()];
    for (n, token) in (2..).zip(tokens) {
        let mut message = whole.clone();
        message.extend(doc! { "_id": ObjectId::new(), "message": format!("token {token:?}"), "token": token, "created_ts": at(n) });
        messages.push(message);
    }
    // Null where there was a value, and nothing at all.
    messages.push(doc! { "_id": ObjectId::new(), "chat_id": chat, "message": "null", "is_bot": true, "reaction": Bson::Null,
        "token": Bson::Null, "type": Bson::Null, "is_edited": Bson::Null, "created_ts": at(90), "updated_ts": Bson::Null });
    messages.push(doc! { "_id": ObjectId::new(), "chat_id": chat, "message": "bare", "created_ts": at(91) });
    database
        .collection("chat_messages")
        .insert_many(messages)
        .await
        .unwrap();
    let before = everything(&scratch).await;

    let server = Server::start(&scratch);
    let query =
        "query ($id: ID!) { chat(id: $id) { messageCount tokenCount lastMessage { text } messages { nodes {
        text author type reaction tokenCount isEdited reply { state } } } } }";
    let read = server.data(query, json!({ "id": chat.to_hex() })).await["chat"].take();
    let nodes = read["messages"]["nodes"].as_array().unwrap();
    let tokens: Vec<_> = nodes.iter().map(|node| &node["tokenCount"]).collect();
    assert_eq!(json!(tokens), json!([5, null, 6, 7, 8, null, null, null]));
    assert_eq!(
        nodes[0],
        json!({ "text": "whole", "author": "USER", "type": "text", "reaction": "👍", "tokenCount": 5, "isEdited": true,
            "reply": null })
    );
    assert_eq!(
        nodes[6],
        json!({ "text": "null", "author": "BOT", "type": "text", "reaction": null, "tokenCount": null,
            "isEdited": false, "reply": { "state": "COMPLETE" } })
    );
    assert_eq!(
        nodes[7],
        json!({ "text": "bare", "author": "USER", "type": "text", "reaction": null, "tokenCount": null,
            "isEdited": false, "reply": null })
    );
    assert_eq!(
        (&read["messageCount"], &read["lastMessage"]["text"]),
        (&json!(8), &json!("bare"))
    );
    assert_eq!(everything(&scratch).await, before);
    scratch.remove().await;
}

#[tokio::test]
async fn a_damaged_document_hides_no_other() {
    let scratch = Scratch::mongo().await;
    let database = scratch.database().await;
    let chat = ObjectId::new();
    let chats = [
        doc! { "_id": chat, "user_id": 1, "title": "whole", "created_at": at(1), "updated_at": at(2) },
        doc! { "_id": "not an ObjectId", "user_id": 1, "title": "damaged", "created_at": at(1), "updated_at": at(3) },
    ];
    database.collection("chats").insert_many(chats).await.unwrap();
    let messages = [
        doc! { "_id": ObjectId::new(), "chat_id": chat, "message": "whole", "created_ts": at(1) },
        doc! { "_id": 7, "chat_id": chat, "message": "damaged", "created_ts": at(2) },
        // A text sorts before every date.
        doc! { "_id": ObjectId::new(), "chat_id": chat, "message": 7, "created_ts": "yesterday" },
    ];
    database
        .collection("chat_messages")
        .insert_many(messages)
        .await
        .unwrap();
    let server = Server::start(&scratch);
    let query = "{ chats { nodes { title messages { nodes { text } } } } }";
    let data = server.data(query, json!({})).await;
    let nodes = json!([{ "title": "whole", "messages": { "nodes": [{ "text": "" }, { "text": "whole" }] } }]);
    assert_eq!(data["chats"]["nodes"], nodes);
    scratch.remove().await;
}

#[tokio::test]
async fn every_variant_of_a_message_is_searched() {
    let scratch = Scratch::mongo().await;
    let database = scratch.database().await;
    let chats = [1.into(), Bson::Int64(1), Bson::Double(1.0), "1".into()].map(
        |user| doc! { "_id": ObjectId::new(), "user_id": user, "created_at": at(1), "updated_at": at(2) },
    );
    database
        .collection::<Document>("chats")
        .insert_many(&chats)
        .await
        .unwrap();
    let messages = database.collection::<Document>("chat_messages");
    let message = |n: i64, text: Bson, is_bot: Bson, token: Bson| {
        let chat = chats[usize::try_from(n).unwrap() % chats.len()]
            .get("_id")
            .cloned();
        // A `language` that MongoDB does not know, were it taken for the language of the text.
        doc! { "_id": ObjectId::new(), "chat_id": chat, "message": text, "is_bot": is_bot, "token": token,
        "language": "hinglish", "created_ts": at(n) }
    };
    let variants = [
        message(0, "sea zero".into(), false.into(), Bson::Int32(1)),
        message(1, "The sea is one".into(), true.into(), Bson::Int64(20)),
        message(2, "sea two".into(), false.into(), "300".into()),
        message(3, "sea of somebody else".into(), false.into(), "4000".into()),
        message(4, "sea four".into(), false.into(), "many".into()),
        message(5, Bson::Null, Bson::Null, Bson::Double(50_000.0)),
        message(6, vec!["sea", "six"].into(), false.into(), Bson::Null),
    ];
    messages.insert_many(&variants[..3]).await.unwrap();
    // The first start makes the index of the words that are there; more come from elsewhere afterwards.
    let store = scratch.open().await;
    messages.insert_many(&variants[3..]).await.unwrap();

    let scope = SearchScope::User(UserId::Int(1));
    for (query, expected) in [
        ("sea", vec!["sea four", "sea two", "The sea is one", "sea zero"]),
        ("is the", vec!["The sea is one"]),
    ] {
        let words = SearchWords::parse(query).unwrap();
        let page = store
            .search_messages(&scope, &words, &PageRequest::first(9))
            .await
            .unwrap();
        let texts: Vec<_> = page.items.into_iter().map(|message| message.text).collect();
        assert_eq!(texts, expected);
    }
    scratch.remove().await;
}
