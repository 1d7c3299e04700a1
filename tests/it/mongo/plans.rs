//! How the server answers each command that the store sends: asked of the server itself, by `explain`.

use colloquy::domain::{
    Author, Chat, DocumentId, Message, MessageFilter, MessageId, ObjectId, PageRequest, Position,
    SearchScope, SearchWords, Slice, UserId,
};
use colloquy::store::{ChatStore, MessageStore, SearchStore};
use mongodb::Database;
use mongodb::bson::{Bson, DateTime, Document, doc, oid};

use super::operations;
use super::recorder::Recorder;
use crate::support::make;
use crate::support::scratch::Scratch;

/// What the server did for one command.
#[derive(Debug, Default)]
pub struct Cost {
    stages: Vec<String>,
    pub keys: i64,
    pub documents: i64,
}

/// Asks the server how it carries out a command. `None` for commands that have no plan.
pub async fn explain(database: &Database, command: &Document) -> Option<Cost> {
    let name = command.keys().next()?.clone();
    if ![
        "find",
        "aggregate",
        "update",
        "delete",
        "findAndModify",
        "count",
        "distinct",
    ]
    .contains(&name.as_str())
    {
        return None;
    }
    let mut command = command.clone();
    for field in [
        "lsid",
        "$db",
        "$clusterTime",
        "txnNumber",
        "maxTimeMS",
        "writeConcern",
        "readConcern",
    ] {
        command.remove(field);
    }
    let explained = database
        .run_command(doc! { "explain": command, "verbosity": "executionStats" })
        .await
        .unwrap();
    let mut cost = Cost::default();
    collect(&Bson::Document(explained), &mut cost);
    Some(cost)
}

/// Gathers the stages of the plans that were chosen, and what their executions touched.
fn collect(part: &Bson, cost: &mut Cost) {
    match part {
        Bson::Document(document) => {
            for (name, value) in document {
                let number = || value.as_i64().or(value.as_i32().map(i64::from)).unwrap_or(0);
                match name.as_str() {
                    // Plans that were not chosen, and the command that was asked about.
                    "rejectedPlans" | "allPlansExecution" | "command" => {}
                    "stage" => cost.stages.extend(value.as_str().map(str::to_owned)),
                    "totalKeysExamined" => cost.keys += number(),
                    "totalDocsExamined" => cost.documents += number(),
                    _ => collect(value, cost),
                }
            }
        }
        Bson::Array(parts) => parts.iter().for_each(|part| collect(part, cost)),
        _ => {}
    }
}

#[tokio::test]
async fn no_command_scans_a_collection_or_sorts_in_memory() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (chats, reply) = fill(&store).await;
    recorder.take();

    operations::run_all(&store, &chats, reply).await;

    let database = scratch.database().await;
    let mut explained = 0;
    for command in recorder.take() {
        let Some(cost) = explain(&database, &command).await else {
            continue;
        };
        explained += 1;
        // What a text index finds has no order, so a search sorts what it found, keeping no more than a page.
        let stages: &[_] = if is_search(&command) {
            &["COLLSCAN"]
        } else {
            &["COLLSCAN", "SORT"]
        };
        for stage in stages {
            assert!(
                !cost.stages.iter().any(|found| found == stage),
                "{command}\n{cost:?}"
            );
        }
    }
    assert!(explained > 60, "{explained}");
    scratch.remove().await;
}

#[tokio::test]
async fn counts_and_sums_read_keys_alone() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (chats, _) = fill(&store).await;
    let ids: Vec<_> = chats.iter().map(|chat| chat.id).collect();
    recorder.take();
    store.message_counts(&ids).await.unwrap();
    store.token_counts(&ids).await.unwrap();
    let database = scratch.database().await;
    let commands = recorder.take();
    assert_eq!(commands.len(), 4);
    // Each count begins with a look at the chats.
    for command in commands
        .iter()
        .filter(|command| command.contains_key("aggregate"))
    {
        let cost = explain(&database, command).await.unwrap();
        assert_eq!(cost.documents, 0, "{command}\n{cost:?}");
        assert!(cost.keys > 1000, "{command}\n{cost:?}");
    }
    scratch.remove().await;
}

#[tokio::test]
async fn a_part_by_number_reads_the_keys_before_it_and_no_document_outside_it() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (chats, _) = fill(&store).await;
    recorder.take();
    let slice = Slice { skip: 9, limit: 4 };
    let user = &chats[0].user_id;
    assert_eq!(store.chat_count(user).await.unwrap(), 20);
    assert_eq!(store.chat_slice(user, slice).await.unwrap().len(), 4);
    assert_eq!(store.message_slice(chats[1].id, slice).await.unwrap().len(), 4);
    let database = scratch.database().await;
    let mut costs = Vec::new();
    for command in recorder.take() {
        let cost = explain(&database, &command).await.unwrap();
        costs.push((cost.keys, cost.documents));
    }
    // Of an aggregation the keys are told twice: where they are read, and where they are counted.
    assert_eq!(costs, [(40, 0), (13, 4), (13, 4)]);
    scratch.remove().await;
}

fn is_search(command: &Document) -> bool {
    command
        .get_document("filter")
        .is_ok_and(|filter| filter.contains_key("$text"))
}

#[tokio::test]
async fn a_search_reads_no_document_of_another_user_and_the_ids_of_chats_from_keys_alone() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    // Twenty chats that say hello a thousand times.
    fill(&store).await;
    let own = Chat {
        user_id: UserId::Int(8),
        ..make::chat()
    };
    store.insert_chat(&own).await.unwrap();
    for n in 0..3 {
        store.insert_message(&make::message_at(own.id, n)).await.unwrap();
    }
    recorder.take();
    let words = SearchWords::parse("hello").unwrap();
    let scope = SearchScope::User(own.user_id.clone());
    let page = store
        .search_messages(&scope, &words, &PageRequest::first(9))
        .await
        .unwrap();
    assert_eq!(page.items.len(), 3);
    let commands = recorder.take();
    assert_eq!(commands.len(), 2);
    let database = scratch.database().await;
    let ids = explain(&database, &commands[0]).await.unwrap();
    assert_eq!((ids.keys, ids.documents), (1, 0), "{ids:?}");
    let search = explain(&database, &commands[1]).await.unwrap();
    // Each of its own is counted twice: where it is read, and where it is looked at again.
    assert_eq!(search.documents, 2 * 3, "{search:?}");
    scratch.remove().await;
}

#[tokio::test]
async fn a_search_of_a_user_with_more_chats_than_one_command_takes_sees_them_all() {
    const CHATS: i64 = 10_050;
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let database = scratch.database().await;
    let ids: Vec<_> = (0..CHATS).map(|_| oid::ObjectId::new()).collect();
    let chats = ids.iter().zip(0..).map(|(id, n)| {
        let at = DateTime::from_millis(n);
        doc! { "_id": id, "user_id": 9, "created_at": at, "updated_at": at }
    });
    let chats: Vec<_> = chats.collect();
    database.collection("chats").insert_many(chats).await.unwrap();
    // Of the chats that are searched first and last, in turn, so that a page has some of both.
    let last = usize::try_from(CHATS - 1).unwrap();
    let messages: Vec<_> = (0..20)
        .map(|n| {
            let chat = ids[if n % 2 == 0 { 0 } else { last }];
            let at = DateTime::from_millis(n);
            doc! { "_id": oid::ObjectId::new(), "chat_id": chat, "message": format!("the sea {n}"), "created_ts": at }
        })
        .collect();
    database
        .collection("chat_messages")
        .insert_many(messages)
        .await
        .unwrap();
    recorder.take();
    let words = SearchWords::parse("sea").unwrap();
    let scope = SearchScope::User(UserId::Int(9));
    let search = async |request: PageRequest| {
        let page = store.search_messages(&scope, &words, &request).await.unwrap();
        let texts = page.items.iter().map(|message| message.text.clone());
        (texts.collect::<Vec<_>>(), page)
    };
    let texts = |places: &mut dyn Iterator<Item = i64>| -> Vec<_> {
        places.map(|n| format!("the sea {n}")).collect()
    };
    let (first, page) = search(PageRequest::first(7)).await;
    assert_eq!(first, texts(&mut (13..20).rev()));
    assert!(page.has_more);
    let searches = recorder
        .take()
        .iter()
        .filter(|command| is_search(command))
        .count();
    assert_eq!(searches, 2);
    let after = page.items.last().map(Message::position);
    let (second, page) = search(PageRequest {
        after,
        ..PageRequest::first(13)
    })
    .await;
    assert_eq!(second, texts(&mut (0..13).rev()));
    assert!(!page.has_more);
    let (last, page) = search(PageRequest::last(5)).await;
    assert_eq!(last, texts(&mut (0..5).rev()));
    assert!(page.has_more);
    scratch.remove().await;
}

/// Twenty chats of fifty messages, and a reply that streams.
pub async fn fill(store: &colloquy::store::MongoStore) -> (Vec<Chat>, MessageId) {
    let mut chats = Vec::new();
    for n in 0..20_i64 {
        let chat = Chat {
            document_id: (n % 2 == 0).then(|| DocumentId(make::id())),
            updated_at: make::at(n),
            ..make::chat()
        };
        store.insert_chat(&chat).await.unwrap();
        for m in 0..50 {
            let message = Message {
                author: Author::from_is_bot(m % 2 == 1),
                token_count: make::tokens(m),
                client_key: (m == 0).then(|| make::key(&format!("key-{n}"))).flatten(),
                ..make::message_at(chat.id, m)
            };
            store.insert_message(&message).await.unwrap();
        }
        chats.push(chat);
    }
    let reply = make::streaming(chats[0].id, "us");
    store.insert_message(&reply).await.unwrap();
    (chats, reply.id)
}

#[tokio::test]
async fn a_page_deep_in_a_long_chat_examines_its_own_documents_only() {
    const MESSAGES: usize = 200_000;
    const DEPTH: usize = 150_000;
    const SIZE: usize = 50;
    let scratch = Scratch::mongo().await;
    let chat = make::chat();
    let position = |n: usize| {
        let mut id = [7; 12];
        id[4..].copy_from_slice(&n.to_be_bytes());
        // Four messages share each moment.
        Position {
            at: make::at(n as i64 / 4),
            id: ObjectId::from_bytes(id),
        }
    };
    let messages = scratch.database().await.collection::<Document>("chat_messages");
    for first in (0..MESSAGES).step_by(20_000) {
        let document = |n: usize| {
            let Position { at, id } = position(n);
            doc! {
                "_id": oid::ObjectId::from_bytes(id.bytes()), "chat_id": oid::ObjectId::from_bytes(chat.id.0.bytes()),
                "message": format!("message {n}"), "is_bot": n % 2 == 1, "created_ts": DateTime::from_millis(at.millis()),
            }
        };
        messages
            .insert_many((first..first + 20_000).map(document))
            .ordered(false)
            .await
            .unwrap();
    }
    let (store, recorder) = Recorder::open(&scratch).await;
    let database = scratch.database().await;
    for request in [
        PageRequest {
            after: Some(position(DEPTH - 1)),
            ..PageRequest::first(SIZE)
        },
        PageRequest {
            before: Some(position(DEPTH + SIZE)),
            ..PageRequest::last(SIZE)
        },
        PageRequest {
            after: Some(position(DEPTH - 1)),
            before: Some(position(DEPTH + SIZE)),
            ..PageRequest::first(SIZE)
        },
    ] {
        let pages = store
            .message_pages(&[chat.id], &MessageFilter::default(), &request)
            .await
            .unwrap();
        let texts: Vec<_> = pages[&chat.id]
            .items
            .iter()
            .map(|message| message.text.clone())
            .collect();
        let expected: Vec<_> = (DEPTH..DEPTH + SIZE).map(|n| format!("message {n}")).collect();
        assert_eq!(texts, expected);

        let commands = recorder.take();
        assert_eq!(commands.len(), 1);
        let cost = explain(&database, &commands[0]).await.unwrap();
        // One more than the page, which tells whether there is another.
        assert!(
            cost.documents <= SIZE as i64 + 1 && cost.documents >= SIZE as i64,
            "{cost:?}"
        );
        assert!(cost.keys <= SIZE as i64 + 3, "{cost:?}");
    }
    scratch.remove().await;
}
