//! A server that nobody can stand in for: it goes on answering until its replies have ended.

use serde_json::{Value, json};

use super::{REPLY, SEND, Viewer, draining, messages, stored};
use crate::support::follow::follow;
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// Replies long enough to be asked about, and a grace that they fit into.
const STEADY: [&str; 6] = [
    "--builtin-pace",
    "40",
    "--builtin-words",
    "200",
    "--drain-seconds",
    "80",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_server_answers_and_finishes_what_was_begun() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let prompt = json!({ "chatId": chat, "text": "The sea", "clientKey": "a-key" });
    let sent = server.data(SEND, json!({ "input": prompt })).await;
    let first = sent["sendMessage"]["reply"]["id"].as_str().unwrap().to_owned();
    // It waits for its turn while the server is told to end.
    let queued = server.send(&chat, "And then?").await;
    let mut socket = Socket::acknowledged(&server).await;
    socket.subscribe("1", REPLY, json!({ "id": first })).await;
    let mut documented = Mt::open(&server, &chat).await;
    documented.until("chunk").await;

    server.tell_to_stop();
    let answer = draining(&server).await;
    assert_eq!(answer.headers()["connection"], "close");
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "shutting down");
    let live = reqwest::get(server.at("/health/live")).await.unwrap();
    assert_eq!(live.status(), 200);
    // What was sent before is joined, and nothing new is taken.
    assert_eq!(server.data(SEND, json!({ "input": prompt })).await, sent);
    let prompt = json!({ "chatId": chat, "text": "One more" });
    assert_eq!(
        server.code(SEND, json!({ "input": prompt })).await,
        "SHUTTING_DOWN"
    );
    let again = "mutation ($id: ID!) { regenerateReply(input: { messageId: $id, whileReplying: QUEUE }) {
        reply { id } } }";
    let other = server.create_chat("Another chat").await;
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let input = json!({ "chatId": other, "text": "Once I said", "author": "BOT" });
    let said = server.data(create, json!({ "input": input })).await;
    let said = said["createMessage"]["message"]["id"].clone();
    assert_eq!(server.code(again, json!({ "id": said })).await, "SHUTTING_DOWN");
    documented.upload("One more").await;
    let refusal = documented.until("error").await.pop().unwrap();
    assert_eq!(
        refusal["message"],
        "The server is not available. Please try again."
    );
    assert_eq!(messages(&server, &chat).await.len(), 4);
    // A socket that comes now is served like any other.
    let (heard, end) = follow(&server, &queued).await;
    assert_eq!(end["reply"]["state"], "COMPLETE");
    assert_eq!(end["text"], heard);

    let (frames, code, _) = socket.drain().await;
    assert_eq!(code, 1012);
    let mut viewer = Viewer::default();
    viewer.apply_all(frames);
    let end = viewer.end.unwrap();
    assert_eq!(
        (&end["text"], &end["reply"]["state"]),
        (&json!(viewer.text), &json!("COMPLETE"))
    );
    assert_eq!(documented.closed().await, 1012);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");

    let server = Server::start(&scratch);
    assert_eq!(stored(&server, &first).await["text"], viewer.text);
    assert_eq!(stored(&server, &queued).await["text"], heard);
}
