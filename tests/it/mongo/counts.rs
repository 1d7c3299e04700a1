//! What a count in a long chat costs, and that the counts which are kept with it are right, whoever changes it and whoever
//! dies meanwhile.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use colloquy::domain::{Chat, ChatId, Message, MessageChange, MessageId, ObjectId, TokenCount};
use colloquy::store::{ChatStore, MessageStore, MongoStore, ReplyStore, Written};
use mongodb::Collection;
use mongodb::bson::{Bson, DateTime, Document, doc, oid};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::ReadConcern;

use super::operations::{begin, exchange, write};
use super::plans::explain;
use super::recorder::Recorder;
use crate::support::make;
use crate::support::scratch::Scratch;

const HOUR: i64 = 3_600_000;

/// A chat with so many messages of yesterday, each with as many tokens as its place.
struct Long {
    scratch: Scratch,
    chat: Chat,
    chats: Collection<Document>,
    messages: Collection<Document>,
}

impl Long {
    async fn of(count: i64) -> (Self, Arc<MongoStore>, Recorder) {
        let scratch = Scratch::mongo().await;
        let (store, recorder) = Recorder::open(&scratch).await;
        let database = scratch.database().await;
        let long = Self {
            scratch,
            chat: make::chat(),
            chats: database.collection("chats"),
            messages: database.collection("chat_messages"),
        };
        store.insert_chat(&long.chat).await.unwrap();
        let begun = make::now().millis() - 24 * HOUR;
        let documents = (0..count).map(|n| long.document(begun + n, n));
        long.messages.insert_many(documents).await.unwrap();
        recorder.take();
        (long, store, recorder)
    }

    fn id(&self) -> ChatId {
        self.chat.id
    }

    fn filter(&self) -> Document {
        doc! { "_id": oid::ObjectId::from_bytes(self.chat.id.0.bytes()) }
    }

    /// A message as another program writes it.
    fn document(&self, millis: i64, tokens: i64) -> Document {
        doc! {
            "_id": oid::ObjectId::from_bytes(make::id().bytes()),
            "chat_id": oid::ObjectId::from_bytes(self.chat.id.0.bytes()),
            "message": "hello", "is_bot": false, "token": tokens,
            "created_ts": DateTime::from_millis(millis), "updated_ts": DateTime::from_millis(millis),
        }
    }

    /// Has the messages counted, and their counts kept.
    async fn settle(&self, store: &MongoStore) -> Document {
        store.message_counts(&[self.id()]).await.unwrap();
        self.kept().await
    }

    /// The counts that are kept, once there are any.
    async fn kept(&self) -> Document {
        loop {
            if let Some(kept) = self.kept_now().await {
                return kept;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn kept_now(&self) -> Option<Document> {
        let counts = self.counts().await?;
        counts.contains_key("until").then_some(counts)
    }

    async fn counts(&self) -> Option<Document> {
        // As a store reads it.
        let find = self
            .chats
            .find_one(self.filter())
            .read_concern(ReadConcern::majority());
        let chat = find.await.unwrap().unwrap();
        chat.get_document("counts").ok().cloned()
    }

    /// Makes what was set aside, and what was dropped, as old as it is when so much time has passed.
    async fn age(&self) {
        let older = |field: &str| doc! { "$subtract": [field, HOUR] };
        let aside = doc! { "$map": { "input": "$counts.aside", "in": {
            "$mergeObjects": ["$$this", { "at": older("$$this.at") }],
        } } };
        let age = vec![
            doc! { "$set": { "counts.aside": aside, "counts.not_before": older("$counts.not_before") } },
        ];
        self.chats.update_one(self.filter(), age).await.unwrap();
    }

    /// The number of messages and their tokens, by reading them all.
    async fn true_counts(&self) -> (u64, i64) {
        let sum = doc! { "$group": { "_id": Bson::Null, "n": { "$sum": 1_i64 }, "t": { "$sum": "$token" } } };
        let mut sums = self.messages.aggregate([sum]).await.unwrap();
        if !sums.advance().await.unwrap() {
            return (0, 0);
        }
        let sums: Document = sums.deserialize_current().unwrap();
        let integer = |name: &str| {
            let value = sums.get(name).unwrap();
            value.as_i64().or(value.as_i32().map(i64::from)).unwrap()
        };
        (integer("n").unsigned_abs(), integer("t"))
    }

    async fn assert_right(&self, store: &MongoStore) {
        assert_eq!(counts(store, self.id()).await, self.true_counts().await);
    }

    /// The messages from one place on.
    async fn ids(&self, skip: u64, count: i64) -> Vec<MessageId> {
        let found = self.messages.find(doc! {}).sort(doc! { "created_ts": 1 });
        let mut found = found.skip(skip).limit(count).await.unwrap();
        let mut ids = Vec::new();
        while found.advance().await.unwrap() {
            let id = found.current().get_object_id("_id").unwrap();
            ids.push(MessageId(ObjectId::from_bytes(id.bytes())));
        }
        ids
    }
}

async fn counts(store: &MongoStore, chat: ChatId) -> (u64, i64) {
    let messages = store.message_counts(&[chat]).await.unwrap();
    let tokens = store.token_counts(&[chat]).await.unwrap();
    (
        messages.get(&chat).copied().unwrap_or_default(),
        tokens.get(&chat).copied().unwrap_or_default(),
    )
}

fn tokens(tokens: i64) -> MessageChange {
    MessageChange {
        token_count: Some(TokenCount::reported(tokens)),
        ..MessageChange::default()
    }
}

fn names(commands: &[Document]) -> Vec<&str> {
    let names = commands.iter().filter_map(|command| command.keys().next());
    names.map(String::as_str).collect()
}

#[tokio::test]
async fn a_count_costs_two_commands_and_the_keys_of_what_came_since_however_long_the_chat() {
    let mut costs = Vec::new();
    for count in [500, 5_000] {
        let (long, store, recorder) = Long::of(count).await;
        let right = long.true_counts().await;
        let kept = long.settle(&store).await;
        assert_eq!(kept.get_i64("messages").unwrap(), count);
        assert_eq!(kept.get_i64("tokens").unwrap(), count * (count - 1) / 2);
        for n in 0..3 {
            let message = Message {
                token_count: make::tokens(n),
                ..make::message(long.id())
            };
            write(&store, message).await;
        }
        recorder.take();
        assert_eq!(counts(&store, long.id()).await, (right.0 + 3, right.1 + 3));
        let commands = recorder.take();
        assert_eq!(names(&commands), ["find", "aggregate", "find", "aggregate"]);
        let database = long.scratch.database().await;
        let mut cost = (0, 0);
        for command in &commands {
            let one = explain(&database, command).await.unwrap();
            cost = (cost.0 + one.keys, cost.1 + one.documents);
        }
        // The chat twice, and three messages twice, told twice each.
        assert!(cost.0 <= 2 * (1 + 2 * 4) && cost.1 == 2, "{cost:?}");
        costs.push(cost);
        long.scratch.remove().await;
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn a_short_chat_is_left_as_it_is_and_many_chats_are_counted_in_two_commands() {
    let (long, store, recorder) = Long::of(100).await;
    let mut chats = vec![long.id()];
    for n in 0..150_i64 {
        let chat = make::chat();
        // One of them is nobody's.
        if n > 0 {
            store.insert_chat(&chat).await.unwrap();
        }
        let documents = (0..n % 3).map(|m| {
            let mut document = long.document(m, 1);
            document.insert("chat_id", oid::ObjectId::from_bytes(chat.id.0.bytes()));
            document
        });
        let documents: Vec<_> = documents.collect();
        if !documents.is_empty() {
            long.messages.insert_many(documents).await.unwrap();
        }
        chats.push(chat.id);
    }
    recorder.take();
    let counted = store.message_counts(&chats).await.unwrap();
    assert_eq!(names(&recorder.take()), ["find", "aggregate"]);
    assert_eq!(counted.values().sum::<u64>(), 100 + 150);
    assert_eq!(counted[&long.id()], 100);
    assert_eq!(counted[&chats[3]], 2);
    assert_eq!(long.counts().await, None);
    // One more is behind the kept counts that there could be than is counted each time.
    let begun = make::now().millis() - HOUR;
    long.messages.insert_one(long.document(begun, 1)).await.unwrap();
    store.message_counts(&chats).await.unwrap();
    assert_eq!(long.kept().await.get_i64("messages").unwrap(), 101);
    long.scratch.remove().await;
}

#[tokio::test]
async fn old_messages_are_changed_and_nothing_is_counted_again() {
    let (long, store, recorder) = Long::of(2_000).await;
    let kept = long.settle(&store).await;
    for (n, id) in long.ids(100, 20).await.into_iter().enumerate() {
        match n % 3 {
            0 => assert!(store.delete_message(long.id(), id).await.unwrap()),
            1 => {
                for count in [7, 70_000] {
                    let change = tokens(count);
                    let changed = store.update_message(long.id(), id, &change, make::now());
                    assert!(changed.await.unwrap().is_some());
                }
            }
            _ => {
                let old = make::message_at(long.id(), make::now().millis() - 30 * HOUR);
                store
                    .insert_message(&Message {
                        token_count: make::tokens(11),
                        ..old
                    })
                    .await
                    .unwrap();
            }
        }
        long.assert_right(&store).await;
    }
    let changed = long.kept().await;
    assert_eq!(changed.get("until"), kept.get("until"));
    assert_eq!(changed.get_array("aside").unwrap().len(), 20);
    recorder.take();
    long.assert_right(&store).await;
    let commands = recorder.take();
    assert_eq!(names(&commands), ["find", "aggregate", "find", "aggregate"]);
    let database = long.scratch.database().await;
    for command in &commands {
        let cost = explain(&database, command).await.unwrap();
        assert!(cost.keys < 200, "{command}\n{cost:?}");
    }
    // A young message is changed without a look at the chat.
    let young = write(&store, make::message(long.id())).await;
    recorder.take();
    store.delete_message(long.id(), young.id).await.unwrap();
    assert_eq!(names(&recorder.take()), ["find", "delete"]);
    let old = long.ids(1_500, 1).await[0];
    store.delete_message(long.id(), old).await.unwrap();
    assert_eq!(names(&recorder.take()), ["find", "update", "delete"]);
    long.scratch.remove().await;
}

#[tokio::test]
async fn what_was_set_aside_comes_back_into_the_counts_once_it_is_settled() {
    let (long, store, _) = Long::of(2_000).await;
    let first = long.settle(&store).await;
    for (n, id) in long.ids(0, 80).await.into_iter().enumerate() {
        match n % 2 {
            0 => drop(store.delete_message(long.id(), id).await.unwrap()),
            _ => drop(
                store
                    .update_message(long.id(), id, &tokens(9), make::now())
                    .await
                    .unwrap(),
            ),
        }
    }
    long.assert_right(&store).await;
    assert_eq!(long.kept().await.get_array("aside").unwrap().len(), 80);
    long.age().await;
    // One that may be changing stays aside.
    let last = long.ids(1_000, 1).await[0];
    store
        .update_message(long.id(), last, &tokens(3), make::now())
        .await
        .unwrap();
    long.assert_right(&store).await;
    while long.kept().await.get_array("aside").unwrap().len() > 1 {
        tokio::task::yield_now().await;
    }
    let kept = long.kept().await;
    assert!(kept.get_datetime("until").unwrap() > first.get_datetime("until").unwrap());
    assert_eq!(kept.get_i64("messages").unwrap(), 2_000 - 40 - 1);
    long.assert_right(&store).await;
    long.scratch.remove().await;
}

#[tokio::test]
async fn too_many_changes_at_once_drop_the_counts_until_they_are_over() {
    let (long, store, _) = Long::of(500).await;
    long.settle(&store).await;
    for id in long.ids(0, 130).await {
        store.delete_message(long.id(), id).await.unwrap();
    }
    let dropped = long.counts().await.unwrap();
    assert!(dropped.contains_key("not_before") && !dropped.contains_key("aside"));
    long.assert_right(&store).await;
    assert!(long.kept_now().await.is_none());
    long.age().await;
    long.assert_right(&store).await;
    assert_eq!(long.kept().await.get_i64("messages").unwrap(), 370);
    long.assert_right(&store).await;
    long.scratch.remove().await;
}

/// Waits until a store has sent a command of this name on chats.
async fn is_sent(recorder: &Recorder, name: &str) {
    loop {
        let commands = recorder.take();
        if commands.iter().any(|command| {
            command
                .get_str(name)
                .is_ok_and(|collection| collection == "chats")
        }) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_crash_between_setting_aside_and_changing_leaves_no_wrong_count() {
    let (long, store, recorder) = Long::of(1_000).await;
    long.settle(&store).await;
    let ids = long.ids(300, 3).await;
    let (right, change) = (long.true_counts().await, tokens(123));
    recorder.take();
    // Whoever is dropped here goes no further than to the command that is sent.
    tokio::select! {
        biased;
        () = is_sent(&recorder, "update") => {}
        _ = store.delete_message(long.id(), ids[0]) => panic!("deleted"),
    }
    tokio::select! {
        biased;
        () = is_sent(&recorder, "update") => {}
        _ = store.update_message(long.id(), ids[1], &change, make::now()) => panic!("changed"),
    }
    let old = make::message_at(long.id(), make::now().millis() - 30 * HOUR);
    tokio::select! {
        biased;
        () = is_sent(&recorder, "update") => {}
        _ = store.insert_message(&old) => panic!("stored"),
    }
    while long.kept().await.get_array("aside").unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(long.true_counts().await, right);
    assert_eq!(counts(&store, long.id()).await, right);
    // Also once it is no longer taken for under way, and when it is done after all.
    long.age().await;
    assert_eq!(counts(&store, long.id()).await, right);
    store.delete_message(long.id(), ids[0]).await.unwrap();
    store
        .update_message(long.id(), ids[1], &change, make::now())
        .await
        .unwrap();
    store.insert_message(&old).await.unwrap();
    assert_eq!(long.true_counts().await.0, right.0);
    long.assert_right(&store).await;
    long.scratch.remove().await;
}

/// The first write of kept counts by a store: it waits until it may be sent.
struct Gate {
    is_reached: Receiver<()>,
    open: SyncSender<()>,
    is_answered: Receiver<()>,
}

impl Gate {
    async fn of(scratch: &Scratch) -> (MongoStore, Self) {
        let (reached, is_reached) = sync_channel(1);
        let (open, is_open) = sync_channel(1);
        let (answered, is_answered) = sync_channel(1);
        // What waits, until it is answered.
        let held = Mutex::new((is_open, None));
        let (mut options, database) = scratch.client_options().await;
        options.command_event_handler = Some(EventHandler::callback(move |event| match event {
            CommandEvent::Started(started) if writes_counts(&started.command) => {
                let mut held = held.lock().unwrap();
                if held.1.is_none() {
                    held.1 = Some(started.request_id);
                    reached.send(()).unwrap();
                    held.0.recv_timeout(Duration::from_secs(30)).unwrap();
                }
            }
            CommandEvent::Succeeded(succeeded)
                if succeeded.command_name == "update"
                    && held.lock().unwrap().1 == Some(succeeded.request_id) =>
            {
                answered.send(()).unwrap();
            }
            _ => {}
        }));
        let store = MongoStore::connect_with(options, &database).await.unwrap();
        let gate = Self {
            is_reached,
            open,
            is_answered,
        };
        (store, gate)
    }
}

fn writes_counts(command: &Document) -> bool {
    let updates = command.get_array("updates").ok();
    let first = updates.and_then(|updates| updates.first()?.as_document());
    let set = first.and_then(|first| first.get_document("u").ok()?.get_document("$set").ok());
    command
        .get_str("update")
        .is_ok_and(|collection| collection == "chats")
        && set.is_some_and(|set| set.contains_key("counts"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_that_were_counted_before_a_change_are_never_written_behind_it() {
    for is_first in [true, false] {
        let (long, store, _) = Long::of(1_000).await;
        if !is_first {
            // Kept before, and to be moved on now.
            long.settle(&store).await;
            let since = make::now().millis() - 2 * HOUR;
            let until = doc! { "$set": { "counts.until": DateTime::from_millis(since) } };
            long.chats.update_one(long.filter(), until).await.unwrap();
            let more = (1..200).map(|n| long.document(since + n, 1));
            long.messages.insert_many(more).await.unwrap();
        }
        let (reader, gate) = Gate::of(&long.scratch).await;
        let right = long.true_counts().await;
        assert_eq!(
            reader.message_counts(&[long.id()]).await.unwrap()[&long.id()],
            right.0
        );
        // It has counted, and is about to write.
        gate.is_reached.recv_timeout(Duration::from_secs(30)).unwrap();
        let [old, other] = long.ids(10, 2).await[..] else {
            panic!("too few");
        };
        assert!(store.delete_message(long.id(), old).await.unwrap());
        let change = tokens(5_000);
        let changed = store.update_message(long.id(), other, &change, make::now());
        assert!(changed.await.unwrap().is_some());
        gate.open.send(()).unwrap();
        gate.is_answered.recv_timeout(Duration::from_secs(30)).unwrap();
        let right = (right.0 - 1, right.1 - 10 - 11 + 5_000);
        assert_eq!(long.true_counts().await, right);
        assert_eq!(counts(&store, long.id()).await, right);
        long.scratch.remove().await;
    }
}

#[tokio::test]
async fn kept_counts_end_before_a_reply_that_streams_and_before_what_may_be_under_way() {
    let (long, store, _) = Long::of(300).await;
    let (_, reply) = begin(&store, &exchange(&long.chat, "us")).await;
    let young = write(&store, make::message(long.id())).await;
    let until = |kept: &Document| kept.get_datetime("until").unwrap().timestamp_millis();
    let kept = long.settle(&store).await;
    assert_eq!(counts(&store, long.id()).await.0, 303);
    assert_eq!(kept.get_i64("messages").unwrap(), 300);
    assert!(until(&kept) <= make::now().millis() - 600_000 && until(&kept) < young.created_at.millis());
    // It has streamed for an hour by now, and a reply of twenty minutes ago has ended.
    let began = make::now().millis() - HOUR;
    let set = doc! { "$set": { "created_ts": DateTime::from_millis(began) } };
    let of_reply = doc! { "_id": oid::ObjectId::from_bytes(reply.id.0.bytes()) };
    long.messages.update_one(of_reply, set).await.unwrap();
    let unset = doc! { "$unset": { "counts": "" } };
    long.chats.update_one(long.filter(), unset).await.unwrap();
    let kept = long.settle(&store).await;
    assert_eq!(counts(&store, long.id()).await.0, 303);
    assert_eq!(
        (until(&kept), kept.get_i64("messages").unwrap()),
        (began - 1, 300)
    );
    let outcome = super::operations::complete("x");
    let finish = store.finish_reply(
        long.id(),
        reply.id,
        colloquy::store::Claim::Owner("us"),
        &outcome,
        None,
    );
    assert!(finish.await.unwrap().is_some());
    long.assert_right(&store).await;
    long.scratch.remove().await;
}

#[tokio::test]
async fn a_server_whose_clock_is_behind_writes_nothing_before_the_kept_counts() {
    let (long, store, _) = Long::of(300).await;
    long.settle(&store).await;
    let behind = make::message_at(long.id(), make::now().millis() - 5 * HOUR);
    let written = store
        .write_message(&super::operations::writing(behind))
        .await
        .unwrap();
    let Written::New { message, .. } = written else {
        panic!("{written:?}");
    };
    assert!(message.created_at >= make::now().plus_millis(-70_000));
    long.assert_right(&store).await;
    long.scratch.remove().await;
}

#[tokio::test]
async fn where_another_program_writes_all_is_counted_live_when_asked_for() {
    let (long, store, _) = Long::of(300).await;
    long.settle(&store).await;
    let foreign = long.document(make::now().millis() - 20 * HOUR, 40);
    long.messages.insert_one(foreign).await.unwrap();
    assert_eq!(counts(&store, long.id()).await.0, 300);
    let (store, recorder) = Recorder::open(&long.scratch).await;
    let live = MongoStore::clone(&store).counting_live();
    assert_eq!(counts(&live, long.id()).await, long.true_counts().await);
    assert_eq!(names(&recorder.take()), ["aggregate", "aggregate"]);
    long.scratch.remove().await;
}

#[tokio::test]
async fn messages_without_a_date_and_tokens_in_every_form_are_counted_once_and_kept() {
    let (long, store, _) = Long::of(150).await;
    for (tokens, created) in [
        (Bson::String("20".into()), Bson::Null),
        (Bson::Double(3.0), "yesterday".into()),
        (Bson::Null, Bson::Int64(5)),
        (Bson::String("many".into()), DateTime::MIN.into()),
        (Bson::Int64(100), DateTime::MAX.into()),
    ] {
        let mut document = long.document(0, 0);
        document.extend(doc! { "token": tokens, "created_ts": created });
        long.messages.insert_one(document).await.unwrap();
    }
    let mut bare = long.document(0, 0);
    bare.remove("created_ts");
    bare.remove("token");
    long.messages.insert_one(bare).await.unwrap();
    let right = (156, 150 * 149 / 2 + 123);
    // The one that is dated at the end of all times comes after all moments.
    assert_eq!(long.settle(&store).await.get_i64("messages").unwrap(), 155);
    assert_eq!(counts(&store, long.id()).await, right);
    let undated = long
        .messages
        .find_one(doc! { "created_ts": Bson::Null, "token": "20" })
        .await
        .unwrap()
        .unwrap();
    let id = undated.get_object_id("_id").unwrap();
    let id = MessageId(ObjectId::from_bytes(id.bytes()));
    assert!(store.delete_message(long.id(), id).await.unwrap());
    assert_eq!(counts(&store, long.id()).await, (155, right.1 - 20));
    assert_eq!(long.kept().await.get_i64("messages").unwrap(), 154);
    long.scratch.remove().await;
}
