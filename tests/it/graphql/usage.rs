//! What was used, as reported or estimated, over GraphQL.

use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    replies_count_whatever_became_of_them,
    a_period_bounds_what_counts,
}

const USAGE: &str = "query ($from: DateTime, $to: DateTime, $userId: UserId) {
    usage(from: $from, to: $to, userId: $userId) { from to promptTokens tokens isEstimated
        rows { day model replyCount promptTokens tokens isEstimated } } }";

async fn replies_count_whatever_became_of_them(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "0", "--builtin-message-faults"]);
    let chat = server.create_chat("A chat").await;
    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let (mut reported, mut estimated) = ((0, 0, 0), (0, 0, 0));
    for (faults, state) in [
        (Value::Null, "COMPLETE"),
        (json!("no-usage"), "COMPLETE"),
        (json!("cut@9"), "TRUNCATED"),
        (json!("status=401"), "FAILED"),
        (json!("stall@4=1m"), "STOPPED"),
    ] {
        let input = json!({ "chatId": chat, "text": "Tell me about the sea", "faults": faults });
        let sent = server.data(send, json!({ "input": input })).await;
        let reply = sent["sendMessage"]["reply"]["id"].as_str().unwrap();
        if state == "STOPPED" {
            let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { receipt { outcome } } }";
            server.data(stop, json!({ "id": reply })).await;
        }
        let (_, message) = follow(&server, reply).await;
        assert_eq!(message["reply"]["state"], state);
        let usage = &message["reply"]["usage"];
        let is_estimated = usage["completion"]["isEstimated"] == true;
        // The built-in bot's own figures come with the end that it says itself. A stop can come before anything was
        // asked of it, which then is known to have cost nothing.
        let is_told = state == "COMPLETE" && faults != json!("no-usage");
        assert!(is_estimated != is_told || state == "STOPPED", "{state}: {usage}");
        let sum = if is_estimated {
            &mut estimated
        } else {
            &mut reported
        };
        sum.0 += 1;
        sum.1 += usage["prompt"]["tokens"].as_i64().unwrap();
        sum.2 += usage["completion"]["tokens"].as_i64().unwrap();
    }
    let report = server.data(USAGE, json!({})).await["usage"].take();
    let bots: Vec<_> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            assert_eq!(row["model"], "builtin");
            let count = |name: &str| row[name].as_i64().unwrap();
            (
                row["isEstimated"].clone(),
                (count("replyCount"), count("promptTokens"), count("tokens")),
            )
        })
        .collect();
    assert_eq!(bots, [(json!(false), reported), (json!(true), estimated)]);
    assert_eq!(report["promptTokens"], reported.1 + estimated.1);
    assert_eq!(report["tokens"], reported.2 + estimated.2);
    // Written down when it was used: what becomes of the chat afterwards changes nothing.
    let delete = "mutation ($id: ID!) { deleteChat(input: { id: $id }) { deletedChatId } }";
    server.data(delete, json!({ "id": chat })).await;
    let later = server.data(USAGE, json!({})).await["usage"].take();
    assert_eq!(later["rows"], report["rows"]);
}

async fn a_period_bounds_what_counts(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    follow(&server, &reply).await;
    let past = json!({ "from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z" });
    assert_eq!(server.data(USAGE, past).await["usage"]["rows"], json!([]));
    let other = json!({ "userId": 2 });
    assert_eq!(server.data(USAGE, other).await["usage"]["rows"], json!([]));
    for period in [
        json!({ "from": "2020-02-01T00:00:00Z", "to": "2020-01-01T00:00:00Z" }),
        json!({ "from": "2020-01-01T00:00:00Z", "to": "2020-01-01T00:00:00Z" }),
        json!({ "from": "2019-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z" }),
        json!({ "from": "2019-01-01T00:00:00Z" }),
    ] {
        assert_eq!(server.code(USAGE, period).await, "INVALID_PERIOD");
    }
    assert_eq!(
        server.code(USAGE, json!({ "from": "yesterday" })).await,
        "BAD_USER_INPUT"
    );
}
