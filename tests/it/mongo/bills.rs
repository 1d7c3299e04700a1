//! How bills come into the ledger: in batches, by any number of servers at once, each of them once.

use std::sync::Arc;

use colloquy::domain::{Bill, EndState, MessageId, UserId};
use colloquy::store::{Claim, MongoStore, ReplyStore, StoreError, UsageStore};
use futures_util::future::join_all;
use mongodb::bson::{Bson, Document, doc};

use super::operations::bill;
use crate::support::make;
use crate::support::scratch::Scratch;

async fn open(scratch: &Scratch) -> Arc<MongoStore> {
    Arc::new(MongoStore::connect(&scratch.address()).await.unwrap())
}

/// Records a bill, as the end of a reply does that is gone.
async fn record(store: &MongoStore, bill: &Bill) {
    let (chat, id) = (make::chat().id, MessageId(make::id()));
    let outcome = make::outcome(EndState::Complete, "x");
    let finished = store.finish_reply(chat, id, Claim::Owner("us"), &outcome, Some(bill));
    assert!(finished.await.unwrap().is_none());
}

/// The replies and the tokens of the prompts that the ledger has of a user.
async fn used(store: &MongoStore, user: &UserId) -> (u64, i64) {
    let rows = store.usage(user, make::at(0), make::now().plus_millis(1));
    rows.await.unwrap().iter().fold((0, 0), |(replies, tokens), row| {
        (replies + row.reply_count, tokens + row.prompt_tokens)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn bills_that_several_servers_enter_at_once_are_each_entered_once() {
    const SERVERS: usize = 4;
    const BILLS: usize = 300;
    let scratch = Scratch::mongo().await;
    let user = UserId::Int(7);
    let servers = (0..SERVERS).map(|_| open(&scratch));
    let servers = join_all(servers).await;
    let work = servers.iter().flat_map(|server| {
        let record_all = {
            let (server, user) = (server.clone(), user.clone());
            tokio::spawn(async move {
                for n in 0..BILLS {
                    let mut bill = bill(&user);
                    bill.model = Some(format!("$model {}", n % 3));
                    bill.usage.prompt.tokens = 1;
                    record(&server, &bill).await;
                }
            })
        };
        let enter = {
            let (server, user) = (server.clone(), user.clone());
            tokio::spawn(async move {
                let mut last = (0, 0);
                for _ in 0..40 {
                    let entered = server.enter_bills().await;
                    assert!(matches!(entered, Ok(()) | Err(StoreError::Unavailable(_))));
                    let now = used(&server, &user).await;
                    assert!(now >= last, "{now:?} after {last:?}");
                    last = now;
                }
            })
        };
        [record_all, enter]
    });
    for done in join_all(work.collect::<Vec<_>>()).await {
        done.unwrap();
    }
    let all = SERVERS * BILLS;
    for server in &servers {
        server.enter_bills().await.unwrap();
        assert_eq!(used(server, &user).await, (all as u64, all as i64));
    }
    let bills = scratch.database().await.collection::<Document>("usage_bills");
    assert_eq!(bills.count_documents(doc! { "due": true }).await.unwrap(), 0);
    let kept = doc! { "entered_at": { "$type": "date" } };
    assert_eq!(bills.count_documents(kept).await.unwrap(), all as u64);
    scratch.remove().await;
}

#[tokio::test]
async fn a_batch_whose_server_died_before_it_noted_that_it_is_entered_is_not_entered_again() {
    let scratch = Scratch::mongo().await;
    let store = open(&scratch).await;
    let user = UserId::Int(7);
    let bill = bill(&user);
    for _ in 0..2 {
        record(&store, &bill).await;
    }
    let before = used(&store, &user).await;
    assert_eq!(before.0, 2);
    store.enter_bills().await.unwrap();
    // The row took them, and nothing says so of the bills.
    let bills = scratch.database().await.collection::<Document>("usage_bills");
    let due = doc! { "$set": { "due": true }, "$unset": { "entered_at": Bson::Null } };
    bills.update_many(doc! {}, due).await.unwrap();
    assert_eq!(used(&store, &user).await, before);
    record(&store, &bill).await;
    assert_eq!(used(&store, &user).await.0, 3);
    store.enter_bills().await.unwrap();
    assert_eq!(used(&store, &user).await.0, 3);
    assert_eq!(bills.count_documents(doc! { "due": true }).await.unwrap(), 0);
    scratch.remove().await;
}

#[tokio::test]
async fn a_row_that_refuses_its_bills_holds_up_no_other() {
    let scratch = Scratch::mongo().await;
    let store = open(&scratch).await;
    let accept = async |validator: Document| {
        let change = doc! { "collMod": "usage_ledger", "validator": validator };
        scratch.database().await.run_command(change).await.unwrap();
    };
    accept(doc! { "user": { "$ne": 6 } }).await;
    // More than one batch of them.
    for (user, replies) in [(6, 250), (7, 3)] {
        for _ in 0..replies {
            record(&store, &bill(&UserId::Int(user))).await;
        }
    }
    store.enter_bills().await.unwrap();
    let ledger = scratch.database().await.collection::<Document>("usage_ledger");
    let row = ledger.find_one(doc! { "user": 7 }).await.unwrap().unwrap();
    assert_eq!(row.get_i64("replies").unwrap(), 3);
    assert_eq!(ledger.count_documents(doc! { "user": 6 }).await.unwrap(), 0);
    accept(doc! {}).await;
    store.enter_bills().await.unwrap();
    assert_eq!(used(&store, &UserId::Int(6)).await.0, 250);
    scratch.remove().await;
}
