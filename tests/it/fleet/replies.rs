//! A reply that one server generates is followed, stopped and waited for on every other.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ENDLESS, Reader, STEADY, STOP};
use crate::support::follow::{ChatFollower, follow};
use crate::support::mt::{Mt, replies};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::upstream::{Act, Upstream, piece, send, stream};

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_followed_on_another_server_to_its_exact_text() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &STEADY),
        Server::start_with(&scratch, &STEADY),
    );
    let chat = a.create_chat("A chat").await;
    let mut in_chat = ChatFollower::start(&b, &chat, &Value::Null).await;
    in_chat.expect("ChatResync").await;
    let mut socket = Mt::open(&b, &chat).await;
    let reply = a.send(&chat, "नमस्ते, tell me about the sea").await;
    let mut reader = Reader::start(&b, &reply).await;
    // Well before its end, and in more pieces than there are checkpoints.
    reader.read_to(100).await;
    assert_eq!(reader.end, None);
    assert_eq!(reader.read_to_end().await, "COMPLETE");
    assert_eq!(reader.corrections, 0);
    let (text, _) = follow(&a, &reply).await;
    assert_eq!(reader.text, text);

    in_chat.expect("MessageAdded").await;
    in_chat.expect("ReplySnapshot").await;
    assert_eq!(
        in_chat.expect("ReplyFinished").await["finished"]["text"],
        json!(text)
    );
    assert_eq!(in_chat.texts[&reply], text);
    let shown = replies(&socket.until("stop_typing_indicator").await);
    assert_eq!(shown[0].text, text);
    // Checkpoints come twice a second; what is carried comes forty times.
    assert!(shown[0].chunks > 20, "{}", shown[0].chunks);
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_moves_between_three_servers_has_every_character_once() {
    let scratch = Scratch::mongo_and_redis().await;
    let servers = [(); 3].map(|()| Server::start_with(&scratch, &STEADY));
    let chat = servers[0].create_chat("A chat").await;
    let reply = servers[0].send(&chat, "Tell me about the sea").await;
    let mut reader = Reader::start(&servers[0], &reply).await;
    let mut moves = 0;
    while reader.end.is_none() {
        let goal = reader.text.len() + 40;
        while reader.end.is_none() && reader.text.len() < goal {
            reader.step().await;
        }
        if reader.end.is_none() {
            moves += 1;
            reader = reader.move_to(&servers[moves % 3], &reply).await;
        }
    }
    assert_eq!(reader.read_to_end().await, "COMPLETE");
    assert_eq!(reader.corrections, 0);
    assert!(moves > 10, "{moves}");
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_cursor_of_one_server_is_good_on_another() {
    let scratch = Scratch::mongo_and_redis().await;
    let servers = [(); 2].map(|()| Server::start_with(&scratch, &STEADY));
    let chat = servers[0].create_chat("A chat").await;
    let mut follower = ChatFollower::start(&servers[0], &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let reply = servers[0].send(&chat, "Tell me about the sea").await;
    let mut text = String::new();
    for n in 1.. {
        for _ in 0..3 {
            let Some(event) = follower.next().await else { break };
            let kind = event["__typename"].as_str().unwrap();
            assert_ne!(kind, "ChatResync", "its place was forgotten");
            assert!(kind != "ReplySnapshot" || text.is_empty(), "it began anew");
            if kind == "ReplyPartial" || kind == "ReplySnapshot" {
                text.push_str(event["text"].as_str().unwrap());
            }
            if kind == "ReplyFinished" {
                assert_eq!(event["finished"]["text"], json!(text));
                scratch.remove().await;
                return;
            }
        }
        let cursor = follower.cursor.clone();
        follower = ChatFollower::start(&servers[n % 2], &chat, &cursor).await;
    }
    panic!("{reply} did not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_on_one_server_closes_the_upstream_of_another() {
    let script = vec![stream(), send(piece("as far as this")), Act::Hold];
    let upstream = Upstream::always("Go on", script).await;
    let scratch = Scratch::mongo_and_redis().await;
    let bot = [
        "--bot",
        "openai",
        "--openai-model",
        "m",
        "--openai-base-url",
        &upstream.base_url(),
    ];
    let (a, b) = (
        Server::start_with(&scratch, &bot),
        Server::start_with(&scratch, &bot),
    );
    let chat = a.create_chat("A chat").await;
    let reply = a.send(&chat, "Go on").await;
    let mut reader = Reader::start(&b, &reply).await;
    reader.read_to(14).await;
    let stopped = b.data(STOP, json!({ "id": reply })).await["stopReply"].take();
    let receipt = json!({ "outcome": "STOPPED", "requestedBy": 0, "offset": 14 });
    assert_eq!(stopped["receipt"]["outcome"], receipt["outcome"], "{stopped}");
    assert_eq!(stopped["receipt"]["offset"], receipt["offset"], "{stopped}");
    assert_eq!(stopped["message"]["text"], "as far as this");
    upstream.closed("Go on").await;
    assert_eq!(reader.read_to_end().await, "STOPPED");
    // Once more, from the server that generated it: the same answer.
    assert_eq!(a.data(STOP, json!({ "id": reply })).await["stopReply"], stopped);
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_deleted_on_one_server_ends_its_reply_on_another() {
    let script = vec![stream(), send(piece("as far as this")), Act::Hold];
    let upstream = Upstream::always("Go on", script).await;
    let scratch = Scratch::mongo_and_redis().await;
    let bot = [
        "--bot",
        "openai",
        "--openai-model",
        "m",
        "--openai-base-url",
        &upstream.base_url(),
    ];
    let (a, b) = (
        Server::start_with(&scratch, &bot),
        Server::start_with(&scratch, &bot),
    );
    let chat = a.create_chat("A chat").await;
    let mut follower = ChatFollower::start(&a, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let reply = a.send(&chat, "Go on").await;
    let mut reader = Reader::start(&b, &reply).await;
    reader.read_to(14).await;
    let delete = "mutation ($id: ID!) { deleteChat(input: {id: $id}) { deletedChatId } }";
    b.data(delete, json!({ "id": chat })).await;
    upstream.closed("Go on").await;
    while follower.next_but_pieces().await["__typename"] != "ChatDeleted" {}
    assert_eq!(follower.next().await, None);
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_of_one_chat_to_two_servers_are_answered_one_after_the_other() {
    let scratch = Scratch::mongo_and_redis().await;
    let bot = ["--builtin-pace", "200", "--builtin-words", "100"];
    let servers = [(); 2].map(|()| Server::start_with(&scratch, &bot));
    let chat = servers[0].create_chat("A chat").await;
    let mut replies = Vec::new();
    for n in 0..4 {
        replies.push(servers[n % 2].send(&chat, &format!("prompt {n}")).await);
    }
    let query = "query ($id: ID!) { message(id: $id) { reply { timings { startedAt finishedAt } } } }";
    let mut last_end = String::new();
    for reply in &replies {
        assert_eq!(
            Reader::start(&servers[0], reply).await.read_to_end().await,
            "COMPLETE"
        );
        let times =
            servers[1].data(query, json!({ "id": reply })).await["message"]["reply"]["timings"].take();
        let began = times["startedAt"].as_str().unwrap();
        assert!(last_end.as_str() <= began, "{last_end} {times}");
        times["finishedAt"].as_str().unwrap().clone_into(&mut last_end);
    }
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_interrupts_the_reply_of_another_server() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (
        Server::start_with(&scratch, &ENDLESS),
        Server::start_with(&scratch, &STEADY),
    );
    let chat = a.create_chat("A chat").await;
    let reply = a.send(&chat, "one").await;
    let mut reader = Reader::start(&b, &reply).await;
    reader.read_to(50).await;
    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let input = |wish: &str| json!({ "input": { "chatId": chat, "text": "two", "whileReplying": wish } });
    assert_eq!(b.code(send, input("REJECT")).await, "REPLY_UNDER_WAY");
    let sent = b.data(send, input("INTERRUPT")).await;
    assert_eq!(reader.read_to_end().await, "STOPPED");
    let second = sent["sendMessage"]["reply"]["id"].as_str().unwrap();
    let mut reader = Reader::start(&a, second).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), reader.read_to_end()).await;
    assert_eq!(ended.unwrap(), "COMPLETE");
    scratch.remove().await;
}
