//! A server that is frozen for longer than its leases, and then goes on.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::upstream::{Act, Upstream, finish, piece, send, stream, usage};

/// Longer than a lease, and the time until the next look for expired ones.
const PAUSE: Duration = Duration::from_secs(12);
const REPLIES: usize = 10;
const QUESTION: &str = "Go on";
const USAGE: &str = "query { usage { rows { replyCount } } }";
const STATE: &str = "query ($id: ID!) { message(id: $id) { reply { state } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_whose_server_was_taken_for_dead_stays_as_another_closed_it_and_is_billed_once() {
    let scratch = Scratch::mongo_and_redis().await;
    let go_on = CancellationToken::new();
    let rest = format!("{}{}{}data: [DONE]\n\n", piece("on"), finish("stop"), usage(7, 2));
    let script = vec![
        stream(),
        send(piece("and ")),
        Act::Await(go_on.clone()),
        send(rest),
    ];
    let upstream = Upstream::always(QUESTION, script).await;
    let address = upstream.base_url();
    let bot = [
        "--bot",
        "openai",
        "--openai-base-url",
        &address,
        "--openai-model",
        "a-model",
    ];
    let [a, b] = [(); 2].map(|()| Server::start_with(&scratch, &bot));
    let mut replies = Vec::new();
    for _ in 0..REPLIES {
        let chat = a.create_chat("A chat").await;
        replies.push(a.send(&chat, QUESTION).await);
        upstream.asked(QUESTION).await;
    }
    a.freeze();
    // All that a bot reports is there when the server goes on.
    go_on.cancel();
    for (_, message) in join_all(replies.iter().map(|reply| follow(&b, reply))).await {
        assert_eq!(message["reply"]["state"], "INTERRUPTED", "{message}");
    }
    a.thaw();
    // It learns of that, and neither ends them otherwise nor tells its own followers so.
    for (_, message) in join_all(replies.iter().map(|reply| follow(&a, reply))).await {
        assert_eq!(message["reply"]["state"], "INTERRUPTED", "{message}");
    }
    assert!(a.stop().0.success());
    for reply in &replies {
        let stored = b.data(STATE, json!({ "id": reply })).await;
        assert_eq!(stored["message"]["reply"]["state"], "INTERRUPTED", "{stored}");
    }
    let rows = b.data(USAGE, json!({})).await["usage"]["rows"].take();
    let rows = rows.as_array().unwrap();
    let billed: u64 = rows.iter().map(|row| row["replyCount"].as_u64().unwrap()).sum();
    assert_eq!(billed, REPLIES as u64, "{rows:?}");
    drop(b);
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_were_paused_together_close_no_reply_of_each_other() {
    let scratch = Scratch::mongo_and_redis().await;
    let paced = ["--builtin-pace", "5", "--builtin-words", "50"];
    let [a, b] = [(); 2].map(|()| Server::start_with(&scratch, &paced));
    // Until b has heard of the store for long enough to judge.
    tokio::time::sleep(PAUSE).await;
    let mut replies = Vec::new();
    for _ in 0..REPLIES {
        let chat = a.create_chat("A chat").await;
        replies.push(a.send(&chat, QUESTION).await);
    }
    a.freeze();
    b.freeze();
    tokio::time::sleep(PAUSE).await;
    // The one without replies first: every lease has expired by then.
    b.thaw();
    b.create_chat("A sign of life").await;
    a.thaw();
    for (_, message) in join_all(replies.iter().map(|reply| follow(&b, reply))).await {
        assert_eq!(message["reply"]["state"], "COMPLETE", "{message}");
    }
    drop((a, b));
    scratch.remove().await;
}
