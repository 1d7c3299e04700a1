//! A reply that is stopped costs nothing more.

use serde_json::json;

use super::{follow, server, wait_for_text};
use crate::support::scratch::Scratch;
use crate::support::upstream::{Act, Upstream, piece, send, stream};

const STOP: &str =
    "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { text reply { state } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_reply_closes_the_services_connection_wherever_it_is() {
    for (script, text) in [
        (
            vec![stream(), send(piece("as far as this")), Act::Hold],
            "as far as this",
        ),
        (vec![stream(), Act::Hold], ""),
        (vec![Act::Hold], ""),
    ] {
        let upstream = Upstream::always("Go on", script).await;
        let scratch = Scratch::embedded().await;
        let server = server(&scratch, &upstream, &[], &[]);
        let chat = server.create_chat("A chat").await;
        let reply = server.send(&chat, "Go on").await;
        upstream.asked("Go on").await;
        if !text.is_empty() {
            wait_for_text(&server, &reply, text).await;
        }
        let stopped = server.data(STOP, json!({ "id": reply })).await["stopReply"]["message"].take();
        assert_eq!(stopped, json!({ "text": text, "reply": { "state": "STOPPED" } }));
        upstream.closed("Go on").await;
        assert_eq!(follow(&server, &reply).await.0, text);
        assert_eq!(upstream.requests("Go on").len(), 1);
    }
}
