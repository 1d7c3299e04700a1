//! Many who leave without a word, and many who read nothing: on a server that mirrors what another generates.

use futures_util::future::join_all;
use redis::AsyncCommands;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{ENDLESS, Reader, STOP, until_connections};
use crate::support::figures::Figures;
use crate::support::follow::ChatFollower;
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::{Received, Socket};
use crate::support::upstream::{Act, DONE, Upstream, finish, piece, send, stream};

/// Who comes and goes, in so many waves of so many of each of three kinds: ten thousand and some.
const WAVES: usize = 42;
const OF_EACH_KIND: usize = 80;
/// File descriptors that may be open for something else than those who left.
const SPARE_FDS: f64 = 40.0;
/// Who reads nothing, in waves of so many.
const STALLED: usize = 1_000;
const STALLED_AT_ONCE: usize = 20;
/// What one of them may take, in KiB: a connection, a subscription, and five pieces of 16 KiB: one that is encoded, two
/// that wait for the writer, and one that is written, of which the socket keeps a copy.
const STALLED_KIB_MAX: u64 = 128;
/// The long reply, in pieces.
const LONG: usize = 900;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_read_nothing_cost_a_bounded_amount_and_nobody_else_anything() {
    let scratch = Scratch::mongo_and_redis().await;
    let everybody_is_there = CancellationToken::new();
    let long = piece(&format!("{} ", "x".repeat(1023))).repeat(LONG);
    let scripts = [
        vec![stream(), send(&long), send(finish("stop")), send(DONE)],
        vec![
            stream(),
            send(piece("It begins. ")),
            Act::Await(everybody_is_there.clone()),
            send(&long),
            send(finish("stop")),
            send(DONE),
        ],
    ];
    let [alone, watched] = scripts;
    let scripts = [
        ("Alone".to_owned(), vec![alone]),
        ("Watched".to_owned(), vec![watched]),
    ];
    let upstream = Upstream::start(scripts.into()).await;
    let url = upstream.base_url();
    let arguments = [
        "--bot",
        "openai",
        "--openai-base-url",
        &url,
        "--openai-model",
        "any",
        "--upstream-stall-timeout-ms",
        "120000",
    ];
    let a = Server::start_with(&scratch, &arguments);
    let b = Server::start_thrifty(&scratch, &arguments);
    let chat = a.create_chat("A chat").await;
    // What one such reply takes with one reader is taken before.
    let reply = a.send(&chat, "Alone").await;
    assert_eq!(Reader::start(&b, &reply).await.read_to_end().await, "COMPLETE");
    let before = b.memory_peak_kib();

    let reply = a.send(&chat, "Watched").await;
    let mut reader = Reader::start(&b, &reply).await;
    reader.read_to("It begins. ".len()).await;
    let mut stalled = Vec::new();
    for _ in 0..STALLED / STALLED_AT_ONCE {
        let some = (0..STALLED_AT_ONCE).map(|_| async {
            let mut socket = Socket::narrow(&b).await;
            let query = "subscription ($id: ID!) { reply(messageId: $id) { __typename
                ... on ReplySnapshot { text } ... on ReplyPartial { text } } }";
            socket.subscribe("1", query, json!({ "id": reply })).await;
            // It is read to its beginning only.
            let Received::Message(beginning) = socket.receive().await else {
                panic!("it was closed");
            };
            assert_eq!(beginning["type"], "next", "{beginning}");
            socket
        });
        stalled.extend(join_all(some).await);
    }
    everybody_is_there.cancel();
    assert_eq!(reader.read_to_end().await, "COMPLETE");
    assert!(reader.text.len() > LONG * 1024);
    let per_reader = (b.memory_peak_kib() - before) / STALLED as u64;
    assert!(per_reader < STALLED_KIB_MAX, "{per_reader} KiB for each");
    drop(stalled);
    scratch.remove().await;
}
