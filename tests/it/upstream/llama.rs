//! Against a service that somebody else wrote: what was read off the protocol's description holds there as well.

use serde_json::json;

use super::{ask, follow, server_at, wait_for_text};
use crate::support::llama::{Llama, RECITAL, RECITAL_BEGINNING, RECITAL_TOKENS};
use crate::support::scratch::Scratch;

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_streams_to_its_end_or_its_bound_with_what_it_cost() {
    let llama = tokio::task::block_in_place(Llama::start);
    for (arguments, text, state, tokens) in [
        (&[][..], RECITAL, "COMPLETE", RECITAL_TOKENS),
        (&["--openai-max-tokens", "3"], RECITAL_BEGINNING, "LENGTH", 3),
    ] {
        let scratch = Scratch::embedded().await;
        let server = server_at(&llama.base_url(), &scratch, arguments, &[]);
        let (heard, message) = ask(&server, "नमस्ते").await;
        assert_eq!((heard.as_str(), &message["text"]), (text, &json!(text)));
        let reply = &message["reply"];
        assert_eq!((&reply["state"], &reply["error"]), (&json!(state), &json!(null)));
        assert_eq!(
            reply["usage"]["completion"],
            json!({ "tokens": tokens, "isEstimated": false })
        );
        assert_eq!(reply["usage"]["prompt"]["isEstimated"], false);
        assert!(reply["usage"]["prompt"]["tokens"].as_i64() > Some(0), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_stopped_is_given_up_there_too() {
    let mut llama = tokio::task::block_in_place(Llama::start);
    let scratch = Scratch::embedded().await;
    let server = server_at(&llama.base_url(), &scratch, &[], &[]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Go on for ever").await;
    wait_for_text(&server, &reply, " a b a").await;
    let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { reply { state } } } }";
    let stopped = server.data(stop, json!({ "id": reply })).await;
    assert_eq!(stopped["stopReply"]["message"]["reply"]["state"], "STOPPED");
    llama.logs("cancel task").await;
    let (text, message) = follow(&server, &reply).await;
    assert_eq!(
        (&message["text"], &message["reply"]["state"]),
        (&json!(text), &json!("STOPPED"))
    );
    assert_eq!(text, " a b".repeat(text.len())[..text.len()]);
}
