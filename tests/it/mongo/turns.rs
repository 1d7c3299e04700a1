//! Of a chat's replies one runs at a time, whatever the order in which two servers store them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use colloquy::domain::{Chat, Message, MessageId, Position};
use colloquy::store::{Before, Begun, ChatStore, Claim, Exchange, MessageStore, MongoStore, ReplyStore};
use futures_util::future::join_all;
use mongodb::bson::{Document, doc};
use tokio::sync::watch;

use super::operations::{BOUNDS, begin, complete, exchange};
use super::recorder::{Recorder, names};
use crate::support::make;
use crate::support::scratch::{Scratch, tries};

/// Longer than a chat takes to come to its end, unless it stands still.
const END_WITHIN: Duration = Duration::from_secs(60);

/// A chat on two servers, and what became of its replies.
struct Trial {
    stores: [Arc<MongoStore>; 2],
    chat: Chat,
    running: AtomicUsize,
    /// Those that have ended, in their order.
    ended: watch::Sender<Vec<Position>>,
}

impl Trial {
    async fn new(stores: &[Arc<MongoStore>; 2]) -> Arc<Self> {
        let chat = make::chat();
        stores[0].insert_chat(&chat).await.unwrap();
        Arc::new(Self {
            stores: stores.clone(),
            chat,
            running: AtomicUsize::new(0),
            ended: watch::Sender::default(),
        })
    }

    async fn begin(&self, server: usize) -> Message {
        begin(&self.stores[server], &exchange(&self.chat, "us")).await.1
    }

    /// Waits for the reply's turn, runs and ends it, as its server does.
    async fn generate(&self, server: usize, reply: Message) {
        let store = &self.stores[server];
        let mut ended = self.ended.subscribe();
        while let Some(earlier) = before(store, &reply).await.earlier.pop() {
            ended
                .wait_for(|ended| ended.contains(&earlier.position()))
                .await
                .unwrap();
        }
        let others = self.running.fetch_add(1, Ordering::SeqCst);
        assert_eq!(others, 0, "two replies of a chat run at once");
        // As long as a few commands take.
        for _ in 0..3 {
            store.messages(&[reply.id]).await.unwrap();
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        let outcome = complete("x");
        let finished = store.finish_reply(self.chat.id, reply.id, Claim::Owner("us"), &outcome, None);
        finished.await.unwrap().unwrap();
        self.ended.send_modify(|ended| ended.push(reply.position()));
    }

    /// Begins and ends so many, one after the other.
    async fn prompt(self: Arc<Self>, server: usize, count: usize) {
        for _ in 0..count {
            let reply = self.begin(server).await;
            self.generate(server, reply).await;
        }
    }
}

async fn two_servers(scratch: &Scratch) -> [Arc<MongoStore>; 2] {
    [Recorder::open(scratch).await.0, Recorder::open(scratch).await.0]
}

async fn before(store: &MongoStore, reply: &Message) -> Before {
    let until = reply.position();
    let before = store.before_reply(reply.chat_id, reply.id, until, BOUNDS).await;
    before.unwrap().unwrap()
}

async fn earlier(store: &MongoStore, reply: &Message) -> Vec<MessageId> {
    let before = before(store, reply).await;
    before.earlier.into_iter().map(|reply| reply.id).collect()
}

async fn end(store: &MongoStore, reply: &Message) {
    let outcome = complete("x");
    let ended = store.finish_reply(reply.chat_id, reply.id, Claim::Alone, &outcome, None);
    ended.await.unwrap().unwrap();
}

/// Runs these tasks to their end.
async fn all_of(tasks: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    let all = tokio::time::timeout(END_WITHIN, join_all(tasks)).await;
    for ended in all.expect("the chat stands still") {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_begin_at_once_on_two_servers_run_one_at_a_time() {
    let scratch = Scratch::mongo().await;
    let stores = two_servers(&scratch).await;
    for _ in 0..tries(40) {
        let trial = Trial::new(&stores).await;
        all_of((0..8).map(|n| trial.clone().prompt(n % 2, 1))).await;
        assert_eq!(trial.ended.borrow().len(), 8);
    }
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_in_which_replies_begin_while_others_end_never_stands_still() {
    let scratch = Scratch::mongo().await;
    let stores = two_servers(&scratch).await;
    for _ in 0..tries(8) {
        let trial = Trial::new(&stores).await;
        all_of((0..5).map(|n| trial.clone().prompt(n % 2, 6))).await;
        assert_eq!(trial.ended.borrow().len(), 30);
    }
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_begin_one_after_the_other_run_in_their_order() {
    let scratch = Scratch::mongo().await;
    let stores = two_servers(&scratch).await;
    for _ in 0..tries(5) {
        let trial = Trial::new(&stores).await;
        let mut replies = Vec::new();
        for n in 0..8 {
            replies.push((n % 2, trial.begin(n % 2).await));
        }
        // The last ones look first.
        all_of(replies.into_iter().rev().map(|(server, reply)| {
            let trial = trial.clone();
            async move { trial.generate(server, reply).await }
        }))
        .await;
        let ended = trial.ended.borrow().clone();
        assert!(ended.is_sorted(), "{ended:?}");
    }
    scratch.remove().await;
}

#[tokio::test]
async fn an_earlier_reply_that_is_stored_later_waits_for_the_one_that_runs() {
    let scratch = Scratch::mongo().await;
    let [one, other] = two_servers(&scratch).await;
    let chat = make::chat();
    one.insert_chat(&chat).await.unwrap();
    let (_, later) = begin(&one, &exchange(&chat, "us")).await;
    assert!(earlier(&one, &later).await.is_empty());
    // As by a server that is held up between the two commands of a beginning.
    let late = Message {
        created_at: later.created_at.plus_millis(-5),
        ..make::streaming(chat.id, "them")
    };
    other.insert_message(&late).await.unwrap();
    for _ in 0..2 {
        assert_eq!(earlier(&other, &late).await, [later.id]);
    }
    end(&one, &later).await;
    assert!(earlier(&other, &late).await.is_empty());
    scratch.remove().await;
}

#[tokio::test]
async fn a_new_reply_takes_the_free_turn_of_none_that_waits() {
    let scratch = Scratch::mongo().await;
    let (store, recorder) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let new = async || begin(&store, &exchange(&chat, "us")).await.1;
    let (first, second) = (new().await, new().await);
    assert!(earlier(&store, &first).await.is_empty());
    assert_eq!(earlier(&store, &second).await, [first.id]);
    end(&store, &first).await;
    // Before the second one has seen that it may run.
    let third = new().await;
    recorder.take();
    assert_eq!(earlier(&store, &third).await, [second.id]);
    assert_eq!(names(&recorder.take()), ["aggregate", "update"]);
    assert!(earlier(&store, &second).await.is_empty());
    assert_eq!(names(&recorder.take()), ["aggregate", "update"]);
    assert_eq!(earlier(&store, &third).await, [second.id]);
    assert_eq!(names(&recorder.take()), ["aggregate"]);
    end(&store, &second).await;
    assert!(earlier(&store, &third).await.is_empty());
    scratch.remove().await;
}

#[tokio::test]
async fn a_new_reply_that_an_earlier_one_waits_for_goes_first() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let new = async || begin(&store, &exchange(&chat, "us")).await.1;
    let (first, second) = (new().await, new().await);
    end(&store, &first).await;
    let third = new().await;
    // It looks before the third one does, and cannot tell whether that runs.
    for _ in 0..2 {
        assert_eq!(earlier(&store, &second).await, [third.id]);
    }
    assert!(earlier(&store, &third).await.is_empty());
    end(&store, &third).await;
    assert!(earlier(&store, &second).await.is_empty());
    // Nothing of it is left behind.
    let messages = scratch.database().await.collection::<Document>("chat_messages");
    let left = doc! { "reply.state": "COMPLETE", "$or": [
        { "reply.slot": { "$exists": true } }, { "reply.goes_first": { "$exists": true } },
    ] };
    assert_eq!(messages.count_documents(left).await.unwrap(), 0);
    scratch.remove().await;
}

#[tokio::test]
async fn a_later_reply_that_has_no_other_slot_goes_first_and_eight_is_the_bound() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let mut replies = Vec::new();
    for _ in 0..8 {
        replies.push(begin(&store, &exchange(&chat, "us")).await.1);
    }
    end(&store, &replies.remove(0)).await;
    replies.push(begin(&store, &exchange(&chat, "us")).await.1);
    let full = store.begin_exchange(&exchange(&chat, "us")).await.unwrap();
    assert_eq!(full, Begun::Full(replies[0].id));
    // It has nowhere to go, so the others wait for it.
    let last = replies.pop().unwrap();
    assert!(earlier(&store, &last).await.is_empty());
    assert_eq!(earlier(&store, &replies[0]).await, [last.id]);
    end(&store, &last).await;
    for reply in &replies {
        assert!(earlier(&store, reply).await.is_empty());
        end(&store, reply).await;
    }
    scratch.remove().await;
}

#[tokio::test]
async fn who_refuses_company_is_refused_while_any_slot_is_taken() {
    let scratch = Scratch::mongo().await;
    let (store, _) = Recorder::open(&scratch).await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let new = async || begin(&store, &exchange(&chat, "us")).await.1;
    let (first, second) = (new().await, new().await);
    end(&store, &first).await;
    let alone = || Exchange {
        others_max: 0,
        ..exchange(&chat, "us")
    };
    let refused = store.begin_exchange(&alone()).await.unwrap();
    assert_eq!(refused, Begun::Full(second.id));
    end(&store, &second).await;
    let begun = store.begin_exchange(&alone()).await.unwrap();
    assert!(matches!(begun, Begun::Begun { .. }), "{begun:?}");
    scratch.remove().await;
}
