//! How soon the replies of a server that died end: very many of them, closed by two others.

mod support {
    pub mod ids;
    pub mod mongodb;
    pub mod server;
}

use std::time::{Duration, Instant};

use colloquy::app::open_store;
use colloquy::config::StoreConfig;
use colloquy::domain::{Author, ChatId, Clock, Message, MessageId, Reply, SystemClock};
use colloquy::store::{ACTIVE_REPLIES_MAX, Asking, Begun, Exchange};
use futures_util::{StreamExt, stream};
use mongodb::bson::{Document, doc};

use support::ids::new_ids;
use support::mongodb::Scratch;
use support::server::Server;

/// Replies that the dead server had under way.
const REPLIES: usize = 5_000;
/// How many are begun at once.
const AT_ONCE: usize = 64;
/// Longer than it takes to begin them all.
const LEASE: Duration = Duration::from_secs(600);
/// How often it is looked how many are left.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() {
    let Some(scratch) = Scratch::new() else {
        println!("left out: COLLOQUY_TEST_MONGODB_URI names no MongoDB; `make bench` does");
        return;
    };
    let servers = [(); 2].map(|()| Server::start(&["--store", &scratch.uri]));
    let [first, _] = &servers;
    let chats = stream::iter(0..REPLIES.div_ceil(ACTIVE_REPLIES_MAX))
        .map(|_| first.create_chat())
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let store = open_store(&StoreConfig::parse(&scratch.uri).unwrap())
        .await
        .unwrap();
    let ids = new_ids();
    let begun = stream::iter(0..REPLIES)
        .map(|n| {
            let chat = ChatId::parse(&chats[n / ACTIVE_REPLIES_MAX]).unwrap();
            let exchange = exchange(chat, MessageId(ids.next()), MessageId(ids.next()));
            let store = &store;
            async move {
                matches!(
                    store.begin_exchange(&exchange).await.unwrap(),
                    Begun::Begun { .. }
                )
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter(|is_begun| std::future::ready(*is_begun))
        .count()
        .await;
    assert_eq!(begun, REPLIES);

    let messages = scratch.database().await.collection::<Document>("chat_messages");
    let streaming = doc! { "reply.state": "STREAMING" };
    let lapse = vec![doc! { "$set": { "reply.lease_until": "$$NOW" } }];
    messages.update_many(streaming.clone(), lapse).await.unwrap();
    let lapsed = Instant::now();
    let (mut first, mut left) = (None, REPLIES as u64);
    while left > 0 {
        left = messages.count_documents(streaming.clone()).await.unwrap();
        if left < REPLIES as u64 {
            first.get_or_insert(lapsed.elapsed());
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
    println!(
        "{REPLIES} replies whose lease lapsed at once, closed by two servers: the first {:.1?} after it, the last {:.1?}",
        first.unwrap_or_default(),
        lapsed.elapsed()
    );
    scratch.remove().await;
}

fn exchange(chat: ChatId, prompt: MessageId, reply: MessageId) -> Exchange {
    let now = SystemClock.now();
    Exchange {
        asking: Asking::New(Box::new(Message {
            reply_id: Some(reply),
            ..Message::plain(prompt, chat, Author::User, "Are you there?".to_owned(), now)
        })),
        reply: Message {
            reply: Some(Reply {
                in_reply_to: Some(prompt),
                ..Reply::begun("a server that died".to_owned(), now)
            }),
            ..Message::plain(reply, chat, Author::Bot, String::new(), now)
        },
        chat_of: None,
        lease: LEASE,
        others_max: ACTIVE_REPLIES_MAX - 1,
    }
}
