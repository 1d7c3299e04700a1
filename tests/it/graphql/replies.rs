//! Replies: asked for, queued, followed, stopped.

use serde_json::{Value, json};

use crate::on_every_pair;
use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_every_pair! {
    prompts_of_one_chat_are_answered_one_after_the_other,
    a_reply_waits_in_a_bounded_queue,
    a_reply_that_waits_can_be_stopped,
    a_bots_message_that_was_stored_whole_is_followed_as_complete,
    what_a_reply_cost_and_took_is_known_when_it_has_ended,
    the_offline_bot_fails_as_it_is_told,
}

const MESSAGES: &str = "query ($id: ID!) { chat(id: $id) { activeReply { id } messages { nodes {
    id text author reply { state inReplyTo { text } } } } } }";

async fn prompts_of_one_chat_are_answered_one_after_the_other(scratch: &Scratch) {
    // Long enough that the first is still under way when all have been asked for.
    let slow = ["--builtin-pace", "0", "--builtin-faults", "delay=700ms"];
    let server = Server::start_with(scratch, &slow);
    let chat = server.create_chat("A chat").await;
    let mut replies = Vec::new();
    for prompt in ["one", "two", "three"] {
        replies.push(server.send(&chat, prompt).await);
    }
    let data = server.data(MESSAGES, json!({ "id": chat })).await;
    assert_eq!(data["chat"]["activeReply"]["id"], json!(replies[0]));
    for reply in &replies {
        let (text, message) = follow(&server, reply).await;
        assert_eq!(
            (&message["text"], &message["reply"]["state"]),
            (&json!(text), &json!("COMPLETE"))
        );
    }
    let data = server.data(MESSAGES, json!({ "id": chat })).await;
    assert_eq!(data["chat"]["activeReply"], Value::Null);
    let messages = data["chat"]["messages"]["nodes"].as_array().unwrap();
    let answers: Vec<_> = messages
        .iter()
        .filter(|message| message["author"] == "BOT")
        .collect();
    for (answer, prompt) in answers.iter().zip(["one", "two", "three"]) {
        assert_eq!(answer["reply"]["inReplyTo"]["text"], prompt);
        assert!(answer["text"].as_str().unwrap().contains(prompt), "{answer}");
    }
    assert_eq!(answers.len(), 3);
}

async fn a_reply_waits_in_a_bounded_queue(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "1", "--builtin-words", "1000"]);
    let chat = server.create_chat("A chat").await;
    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let mut codes = Vec::new();
    for n in 0..12 {
        let input = json!({ "input": { "chatId": chat, "text": format!("prompt {n}") } });
        let response = server.request(send, input).await;
        codes.push(
            response["errors"][0]["extensions"]["code"]
                .as_str()
                .map(str::to_owned),
        );
    }
    let accepted = codes.iter().take_while(|code| code.is_none()).count();
    assert!((2..12).contains(&accepted), "{codes:?}");
    assert!(
        codes[accepted..]
            .iter()
            .all(|code| code.as_deref() == Some("TOO_MANY_REPLIES"))
    );
}

async fn a_reply_that_waits_can_be_stopped(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "5", "--builtin-words", "1000"]);
    let chat = server.create_chat("A chat").await;
    let first = server.send(&chat, "one").await;
    let second = server.send(&chat, "two").await;
    let stop =
        "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { text reply { state } } } }";
    let stopped = server.data(stop, json!({ "id": second })).await["stopReply"]["message"].take();
    assert_eq!(stopped, json!({ "text": "", "reply": { "state": "STOPPED" } }));
    assert_eq!(follow(&server, &second).await.0, "");
    let stopped = server.data(stop, json!({ "id": first })).await["stopReply"]["message"].take();
    assert_eq!(stopped["reply"]["state"], "STOPPED");
    let (text, message) = follow(&server, &first).await;
    assert_eq!((&message["text"], &stopped["text"]), (&json!(text), &json!(text)));
}

async fn a_bots_message_that_was_stored_whole_is_followed_as_complete(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "पहले का उत्तर", "author": "BOT" } });
    let message = server.data(create, input).await["createMessage"]["message"]["id"].take();
    let (text, message) = follow(&server, message.as_str().unwrap()).await;
    assert_eq!(
        (text.as_str(), &message["reply"]["state"]),
        ("पहले का उत्तर", &json!("COMPLETE"))
    );
}

async fn what_a_reply_cost_and_took_is_known_when_it_has_ended(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let (_, message) = follow(&server, &reply).await;
    let reply = &message["reply"];
    assert_eq!(
        (&reply["model"], &reply["error"]),
        (&json!("builtin"), &Value::Null)
    );
    let words = |count: i64| json!({ "tokens": count, "isEstimated": false });
    let answer = message["text"].as_str().unwrap().split_whitespace().count();
    assert_eq!(
        reply["usage"],
        json!({ "prompt": words(1), "completion": words(i64::try_from(answer).unwrap()) })
    );
    let times = [
        "queuedAt",
        "startedAt",
        "firstPieceAt",
        "upstreamClosedAt",
        "finishedAt",
    ];
    let times = times.map(|name| {
        reply["timings"][name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {reply}"))
    });
    assert!(times.is_sorted(), "{times:?}");
    let took = |name: &str| {
        reply["timings"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name}: {reply}"))
    };
    let total = took("totalMilliseconds");
    assert!(took("queuedMilliseconds") + took("firstPieceMilliseconds") <= total);
    assert!(
        (0.0..total + 1.0).contains(&took("overheadMilliseconds")),
        "{reply}"
    );
}

async fn the_offline_bot_fails_as_it_is_told(scratch: &Scratch) {
    // Bytes 11, 12 and 13 of the answer are one character.
    for (script, text, state, error, is_estimated) in [
        (
            "stall@4=20ms,no-usage",
            "You wrote: न bot",
            "COMPLETE",
            None,
            true,
        ),
        ("cut@12", "You wrote: ", "TRUNCATED", None, true),
        ("cut@14", "You wrote: न", "TRUNCATED", None, true),
        (
            "timeout@14=20ms",
            "You wrote: न",
            "FAILED",
            Some("UPSTREAM_TIMEOUT"),
            true,
        ),
        (
            "status=429,retry-after=60",
            "",
            "FAILED",
            Some("UPSTREAM_RATE_LIMITED"),
            true,
        ),
        ("duplicate@1", "YouYou wrote: न bot", "COMPLETE", None, false),
    ] {
        let server = Server::start_with(scratch, &["--builtin-pace", "0", "--builtin-faults", script]);
        let chat = server.create_chat("A chat").await;
        let reply = server.send(&chat, "न bot").await;
        let (heard, message) = follow(&server, &reply).await;
        assert_eq!(
            (heard.as_str(), &message["text"]),
            (text, &json!(text)),
            "{script}"
        );
        let reply = &message["reply"];
        assert_eq!(reply["state"], state, "{script}");
        assert_eq!(reply["error"]["code"], json!(error), "{script}");
        assert_eq!(
            reply["usage"]["completion"]["isEstimated"], is_estimated,
            "{script}"
        );
        assert!(server.stop().0.success());
    }
    let server = Server::start_with(scratch, &["--builtin-pace", "0", "--builtin-faults", "huge=2MB"]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let (heard, message) = follow(&server, &reply).await;
    assert_eq!(heard.len(), 1024 * 1024);
    assert_eq!(message["reply"]["state"], "LENGTH");
}
