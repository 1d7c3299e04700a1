//! Many who leave without a word, on a server that mirrors what another generates.

use futures_util::future::join_all;
use redis::AsyncCommands;
use serde_json::{Value, json};

use super::{ENDLESS, Reader, STOP, until_connections};
use crate::support::figures::Figures;
use crate::support::follow::ChatFollower;
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Who comes and goes, in so many waves of so many of each of three kinds: ten thousand and some.
const WAVES: usize = 42;
const OF_EACH_KIND: usize = 80;
/// File descriptors that may be open for something else than those who left.
const SPARE_FDS: f64 = 40.0;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_who_leave_without_a_word_leave_nothing_behind() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &ENDLESS),
        Server::start_with(&scratch, &ENDLESS),
    );
    let mut chats = Vec::new();
    for n in 0..10 {
        let chat = a.create_chat(&format!("chat {n}")).await;
        let reply = a.send(&chat, "Tell me about the sea").await;
        chats.push((chat, reply));
    }
    let fds = |figures: &Figures| figures.sum("process_open_fds", &[]).unwrap();
    let before = fds(&Figures::of(&b).await);
    for _ in 0..WAVES {
        let crowd = (0..OF_EACH_KIND).map(|n| {
            let (chat, reply) = &chats[n % chats.len()];
            async {
                let mut follower = ChatFollower::start(&b, chat, &Value::Null).await;
                let mut reader = Reader::start(&b, reply).await;
                let mt = Mt::open(&b, chat).await;
                follower.expect("ChatResync").await;
                reader.step().await;
                (follower, reader, mt)
            }
        });
        // What they were sent meanwhile is not read, so their lines are reset.
        drop(join_all(crowd).await);
    }
    let open = |figures: &Figures| figures.sum("colloquy_streams_open", &[]);
    let followers = |figures: &Figures| figures.sum("colloquy_followers", &[]);
    Figures::until(&b, |figures| {
        open(figures) == Some(0.0) && followers(figures) == Some(0.0) && fds(figures) < before + SPARE_FDS
    })
    .await;
    for (chat, _) in &chats {
        until_connections(&a, chat, 0).await;
    }
    // Nobody is followed any more that nobody reads, nor heard of: what is left are the servers' own channels.
    let mut connection = scratch.redis().connection().await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let mut heard = redis::cmd("PUBSUB");
        let heard: Vec<String> = heard.arg("CHANNELS").query_async(&mut connection).await.unwrap();
        if heard.len() == 2 && heard.iter().all(|channel| channel.contains("server:")) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{heard:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    for key in scratch.redis().keys().await {
        assert!(!key.contains("room:"), "{key}");
        let expires_in: i64 = connection.pttl(&key).await.unwrap();
        assert!((1..=300_000).contains(&expires_in), "{key} {expires_in}");
    }
    for (_, reply) in &chats {
        a.data(STOP, json!({ "id": reply })).await;
    }
    scratch.remove().await;
}
