//! What each operation costs in commands, and that every filter on messages names their chat.

use colloquy::domain::UserId;
use colloquy::store::{ChatStore, Checkpointed, Claim, MessageStore, ReplyStore, UsageStore};
use mongodb::bson::{Bson, Document};

use super::operations::{self, BOUNDS, LEASE, begin, bill, complete, exchange, write};
use super::plans::fill;
use super::recorder::{Recorder, names};
use crate::support::make;
use crate::support::scratch::Scratch;

#[tokio::test]
async fn each_operation_takes_as_few_commands_as_it_can() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let taken = |what: &str, expected: &[&str]| {
        let commands = recorder.take();
        assert_eq!(names(&commands), expected, "{what}: {commands:#?}");
    };
    taken("a chat", &["insert"]);

    write(&store, make::message(chat.id)).await;
    taken("a message", &["findAndModify", "insert"]);
    let (prompt, reply) = begin(&store, &exchange(&chat, "us")).await;
    taken("an exchange", &["findAndModify", "insert"]);
    let until = prompt.unwrap().position();
    let before = store
        .before_reply(chat.id, reply.id, until, BOUNDS)
        .await
        .unwrap();
    assert_eq!(before.unwrap().history.len(), 2);
    taken("a turn", &["aggregate"]);
    let (prompt, second) = begin(&store, &exchange(&chat, "us")).await;
    recorder.take();
    let until = prompt.unwrap().position();
    let before_second = async || {
        let before = store.before_reply(chat.id, second.id, until, BOUNDS).await;
        before.unwrap().unwrap().earlier
    };
    assert_eq!(before_second().await, std::slice::from_ref(&reply));
    taken("a look while another reply runs", &["aggregate"]);
    for text in ["t", "te"] {
        let stored = store
            .checkpoint(chat.id, reply.id, "us", text, LEASE)
            .await
            .unwrap();
        assert_eq!(
            stored,
            Checkpointed::Held {
                is_stop_requested: false
            }
        );
        taken("a checkpoint", &["update"]);
    }
    store
        .request_stop(chat.id, reply.id, &make::stop(1))
        .await
        .unwrap()
        .unwrap();
    taken("a stop", &["findAndModify"]);
    let stored = store
        .checkpoint(chat.id, reply.id, "us", "text", LEASE)
        .await
        .unwrap();
    assert_eq!(
        stored,
        Checkpointed::Held {
            is_stop_requested: true
        }
    );
    taken("a checkpoint behind a stop", &["update", "find", "update"]);
    let bill = bill(&chat.user_id);
    let finish = async || {
        let outcome = complete("text");
        let finished = store.finish_reply(chat.id, reply.id, Claim::Owner("us"), &outcome, Some(&bill));
        finished.await.unwrap()
    };
    assert!(finish().await.is_some());
    taken("an end", &["insert", "findAndModify"]);
    assert!(before_second().await.is_empty());
    taken("a turn of one that waited", &["aggregate", "update"]);
    assert!(finish().await.is_none());
    taken("an end of what has ended", &["insert", "findAndModify"]);
    let outcome = complete("x");
    let unbilled = store.finish_reply(chat.id, second.id, Claim::Owner("us"), &outcome, None);
    assert!(unbilled.await.unwrap().is_some());
    taken("an end without a bill", &["findAndModify"]);
    let (_, left) = begin(&store, &exchange(&chat, "us")).await;
    recorder.take();
    let closed = store.finish_reply(chat.id, left.id, Claim::Alone, &outcome, Some(&bill));
    assert!(closed.await.unwrap().is_some());
    taken(
        "a close for another server",
        &["findAndModify", "insert", "findAndModify"],
    );
    let stored = store
        .checkpoint(chat.id, reply.id, "us", "text", LEASE)
        .await
        .unwrap();
    assert_eq!(stored, Checkpointed::Lost);
    taken("a lost checkpoint", &["update", "find"]);
    recorder.take();
    let usage = async || {
        let rows = store.usage(&chat.user_id, make::at(0), make::now().plus_millis(1));
        rows.await.unwrap()
    };
    let rows = usage().await;
    taken("usage with bills that are due", &["find", "find", "find", "find"]);
    store.enter_bills().await.unwrap();
    taken(
        "entering what is due",
        &["find", "find", "find", "update", "update"],
    );
    assert_eq!(usage().await, rows);
    taken("usage", &["find", "find"]);
    assert_eq!(
        (rows.len(), rows[0].reply_count, rows[0].prompt_tokens),
        (1, 2, 40)
    );
    assert!(store.delete_chat(chat.id).await.unwrap());
    taken("a deletion", &["update", "delete", "delete"]);
    while store.sweep_deleted(10).await.unwrap().is_some() {}
    recorder.take();
    assert!(store.sweep_deleted(10).await.unwrap().is_none());
    taken("nothing to sweep", &["find"]);
    scratch.remove().await;
}

#[tokio::test]
async fn a_chat_of_another_program_costs_two_commands_more_once() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let ahead = make::message_at(chat.id, make::now().millis() + 60_000);
    store.insert_message(&ahead).await.unwrap();
    let chats = scratch.database().await.collection::<Document>("chats");
    let unset = mongodb::bson::doc! { "$unset": { "moments": "" } };
    chats.update_many(mongodb::bson::doc! {}, unset).await.unwrap();
    recorder.take();
    let first = write(&store, make::message(chat.id)).await;
    assert_eq!(
        names(&recorder.take()),
        ["findAndModify", "find", "findAndModify", "insert"]
    );
    assert_eq!(first.created_at, ahead.created_at.plus_millis(1));
    let second = write(&store, make::message(chat.id)).await;
    assert_eq!(names(&recorder.take()), ["findAndModify", "insert"]);
    assert_eq!(second.created_at, first.created_at.plus_millis(1));
    scratch.remove().await;
}

#[tokio::test]
async fn checkpoints_that_come_at_once_share_a_command_and_each_is_told_its_own() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let mut replies = Vec::new();
    for _ in 0..20 {
        let chat = make::chat();
        store.insert_chat(&chat).await.unwrap();
        replies.push(begin(&store, &exchange(&chat, "us")).await.1);
    }
    store
        .request_stop(replies[3].chat_id, replies[3].id, &make::stop(1))
        .await
        .unwrap();
    store
        .delete_message(replies[4].chat_id, replies[4].id)
        .await
        .unwrap();
    recorder.take();
    let all = replies
        .iter()
        .map(|reply| store.checkpoint(reply.chat_id, reply.id, "us", "text", LEASE));
    let told = futures_util::future::join_all(all).await;
    let held = |is_stop_requested| Checkpointed::Held { is_stop_requested };
    for (place, told) in told.into_iter().map(Result::unwrap).enumerate() {
        let expected = match place {
            3 => held(true),
            4 => Checkpointed::Lost,
            _ => held(false),
        };
        assert_eq!(told, expected, "{place}");
    }
    assert!(recorder.take().len() < 8);
    let ids: Vec<_> = replies.iter().map(|reply| reply.id).collect();
    let stored = store.messages(&ids).await.unwrap();
    assert_eq!(stored.len(), 19);
    assert!(stored.iter().all(|reply| reply.text == "text"));
    scratch.remove().await;
}

/// Whether a filter on messages can be answered by those who have one chat's messages.
fn names_chat(filter: &Document) -> bool {
    let all = |filters: &Bson| {
        let filters = filters.as_array().unwrap().iter();
        filters
            .map(|filter| filter.as_document().unwrap())
            .all(names_chat)
    };
    let of_chats = |chat: &Bson| match chat {
        Bson::Document(condition) => condition.keys().eq(["$in"]),
        _ => true,
    };
    filter.get("chat_id").is_some_and(of_chats) || filter.get("$or").is_some_and(all)
}

/// The filters on messages in a pipeline on `collection`, and in what it is united with.
fn filters_of(collection: &str, pipeline: &Bson, filters: &mut Vec<Document>) {
    let stages: Vec<_> = pipeline
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage.as_document().unwrap())
        .collect();
    if collection == MESSAGES {
        // A pipeline that begins otherwise reads everything.
        let first = stages.first().and_then(|stage| stage.get_document("$match").ok());
        filters.push(first.cloned().unwrap_or_default());
    }
    for union in stages
        .iter()
        .filter_map(|stage| stage.get_document("$unionWith").ok())
    {
        filters_of(union.get_str("coll").unwrap(), &union["pipeline"], filters);
    }
    assert!(
        stages.iter().all(|stage| !stage.contains_key("$lookup")),
        "not followed here"
    );
}

const MESSAGES: &str = "chat_messages";

/// The filters on messages of a command.
fn filters(command: &Document) -> Vec<Document> {
    let (name, collection) = command.iter().next().unwrap();
    let collection = collection.as_str().unwrap_or_default();
    let mut filters = Vec::new();
    if name == "aggregate" {
        filters_of(collection, &command["pipeline"], &mut filters);
    }
    if collection != MESSAGES {
        return filters;
    }
    let of_statements = |list: &str| {
        let statements = command.get_array(list).unwrap().iter();
        statements.map(|statement| {
            statement
                .as_document()
                .unwrap()
                .get_document("q")
                .unwrap()
                .clone()
        })
    };
    match name.as_str() {
        "find" => filters.push(command.get_document("filter").cloned().unwrap_or_default()),
        "findAndModify" => filters.push(command.get_document("query").unwrap().clone()),
        "update" => filters.extend(of_statements("updates")),
        "delete" => filters.extend(of_statements("deletes")),
        "aggregate" => {}
        "insert" => {
            let documents = command.get_array("documents").unwrap().iter();
            filters.extend(documents.map(|document| document.as_document().unwrap().clone()));
        }
        other => panic!("{other} is not looked at here"),
    }
    filters
}

/// The two ways of asking for messages without knowing their chat.
fn is_exception(command: &Document, filter: &Document) -> bool {
    let is_by_id = filter.keys().eq(["_id"]);
    let is_scan = command
        .get_document("sort")
        .is_ok_and(|sort| sort.contains_key("reply.lease_until"));
    command.contains_key("find") && (is_by_id || is_scan)
}

#[tokio::test]
async fn every_filter_on_messages_names_their_chat() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let (chats, reply) = fill(&store).await;
    operations::run_all(&store, &chats, reply).await;
    let (mut looked_at, mut exceptions) = (0, 0);
    for command in recorder.take() {
        for filter in filters(&command) {
            looked_at += 1;
            if is_exception(&command, &filter) {
                exceptions += 1;
                continue;
            }
            assert!(names_chat(&filter), "{filter}\nin {command}");
        }
    }
    assert!(looked_at > 1_000, "{looked_at}");
    // Messages by their ids once, and three kinds of claims.
    assert_eq!(exceptions, 4);
    scratch.remove().await;
}

#[tokio::test]
async fn a_figure_past_all_bounds_fails_no_end_and_is_counted_as_the_greatest() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    for tokens in [i64::MAX, i64::MAX, -5] {
        let (_, reply) = begin(&store, &exchange(&chat, "us")).await;
        let mut bill = bill(&chat.user_id);
        bill.usage.prompt.tokens = tokens;
        let outcome = complete("x");
        let finished = store.finish_reply(chat.id, reply.id, Claim::Alone, &outcome, Some(&bill));
        assert!(finished.await.unwrap().is_some());
    }
    let day = make::now();
    let rows = store
        .usage(&chat.user_id, day.plus_millis(-5_000), day)
        .await
        .unwrap();
    let (replies, prompts) = rows.iter().fold((0, 0), |(replies, prompts), row| {
        (
            replies + row.reply_count,
            row.prompt_tokens.saturating_add(prompts),
        )
    });
    assert_eq!((replies, prompts), (3, i64::MAX));
    let nobody = store.usage(&UserId::Int(8), make::at(0), day).await.unwrap();
    assert!(nobody.is_empty());
    scratch.remove().await;
}

#[tokio::test]
async fn a_ledger_that_refuses_a_bill_keeps_no_reply_from_ending() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let (_, reply) = begin(&store, &exchange(&chat, "us")).await;
    let (bill, outcome) = (bill(&chat.user_id), complete("x"));
    let accept = async |validator: Document| {
        let change = mongodb::bson::doc! { "collMod": "usage_bills", "validator": validator };
        scratch.database().await.run_command(change).await.unwrap();
    };
    accept(mongodb::bson::doc! { "nobody": "has this" }).await;
    let finish = async || {
        let finished = store.finish_reply(chat.id, reply.id, Claim::Owner("us"), &outcome, Some(&bill));
        finished.await.unwrap()
    };
    assert!(finish().await.is_some());
    let rows = async || {
        let rows = store.usage(&chat.user_id, make::at(0), make::now().plus_millis(1));
        rows.await.unwrap()
    };
    assert!(rows().await.is_empty());
    // By its id it can be entered later.
    accept(Document::new()).await;
    assert!(finish().await.is_none());
    assert_eq!(rows().await[0].reply_count, 1);
    scratch.remove().await;
}
