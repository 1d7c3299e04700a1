//! Who has left leaves nothing behind, here or in Redis.

use futures_util::future::join_all;
use redis::AsyncCommands;
use serde_json::Value;

use super::{Reader, STEADY, until_connections};
use crate::support::follow::ChatFollower;
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_one_connection_to_redis_and_every_key_expires() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &STEADY),
        Server::start_with(&scratch, &STEADY),
    );
    let mut chats = Vec::new();
    for n in 0..10 {
        chats.push(a.create_chat(&format!("chat {n}")).await);
    }
    let mut followers = Vec::new();
    for chat in &chats {
        let mut follower = ChatFollower::start(&b, chat, &Value::Null).await;
        follower.expect("ChatResync").await;
        followers.push((follower, Mt::open(&a, chat).await));
    }
    let replies = join_all(chats.iter().map(|chat| a.send(chat, "Tell me about the sea"))).await;
    let readers = join_all(replies.iter().map(|reply| async {
        let mut reader = Reader::start(&b, reply).await;
        reader.read_to_end().await
    }));
    assert!(readers.await.iter().all(|state| state == "COMPLETE"));
    // Ours is the third.
    assert_eq!(scratch.redis().figure("connected_clients").await, 3);
    drop(followers);
    for chat in &chats {
        until_connections(&a, chat, 0).await;
    }
    let keys = scratch.redis().keys().await;
    assert!(keys.iter().any(|key| key.contains("chat:")), "{keys:?}");
    let mut connection = scratch.redis().connection().await;
    for key in keys {
        assert!(!key.contains("room:"), "{key}");
        let expires_in: i64 = connection.pttl(&key).await.unwrap();
        assert!((1..=300_000).contains(&expires_in), "{key} {expires_in}");
    }
    scratch.remove().await;
}
