//! Stops.

use serde_json::{Value, json};

use super::{SLOW, messages};
use crate::on_every_pair;
use crate::support::mt::{Mt, kind_of, kinds, replies};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_every_pair! {
    a_stop_in_the_middle_is_an_end_frame_then_its_answer_then_the_end_of_typing,
    a_stop_with_nothing_running_is_answered_all_the_same,
    a_stop_reaches_every_reply_of_the_socket_also_one_that_waits,
    a_stop_from_another_socket_or_face_reaches_the_reply,
    an_upload_after_a_stop_works_at_once,
    a_stop_right_behind_an_upload_stops_its_reply,
}

async fn a_stop_in_the_middle_is_an_end_frame_then_its_answer_then_the_end_of_typing(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let mut watcher = Mt::open(&server, &chat).await;
    watcher.expect_silence().await;
    for (stop, echo) in [
        (json!({ "mt": "stop", "message": "enough" }), json!("enough")),
        (json!({ "mt": "stop" }), json!("")),
        (
            json!({ "mt": "stop", "message": { "a": [1] } }),
            json!({ "a": [1] }),
        ),
    ] {
        let mut socket = Mt::open(&server, &chat).await;
        socket.upload("Tell me about the sea").await;
        let mut seen = socket.until("chunk").await;
        socket.send(stop).await;
        let frames = socket.until("stop_typing_indicator").await;
        let mut end = kinds(&frames);
        end.retain(|kind| *kind != "chunk");
        assert_eq!(end, ["end", "stopped_generation", "stop_typing_indicator"]);
        let answer = &frames[frames.len() - 2];
        assert_eq!((&answer["message"], &answer["isBot"]), (&echo, &json!(true)));
        assert_eq!(frames[frames.len() - 3]["state"], "STOPPED");
        socket.expect_silence().await;
        seen.extend(frames);
        // What was shown is what is stored.
        let shown = replies(&seen).remove(0);
        let stored = messages(&server, &chat).await.pop().unwrap();
        assert_eq!(
            (&stored["text"], &stored["reply"]["state"]),
            (&json!(shown.text), &json!("STOPPED"))
        );
        let other = watcher.until("stop_typing_indicator").await;
        assert_eq!(replies(&other), [shown]);
        assert!(other.iter().all(|frame| kind_of(frame) != "stopped_generation"));
        socket.leave().await;
    }
}

async fn a_stop_with_nothing_running_is_answered_all_the_same(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for _ in 0..3 {
        socket.send(json!({ "mt": "stop" })).await;
        assert_eq!(socket.expect("stopped_generation").await["message"], "");
        socket.expect_silence().await;
        socket.upload("hello").await;
        socket.until("stop_typing_indicator").await;
    }
}

async fn a_stop_reaches_every_reply_of_the_socket_also_one_that_waits(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for n in 0..4 {
        socket.upload(&format!("prompt {n}")).await;
    }
    socket.until("chunk").await;
    socket.send(json!({ "mt": "stop" })).await;
    let frames = socket.until("stop_typing_indicator").await;
    let ends = frames.iter().filter(|frame| kind_of(frame) == "end").count();
    assert_eq!(ends, 4);
    assert_eq!(kind_of(&frames[frames.len() - 2]), "stopped_generation");
    for message in messages(&server, &chat).await.iter().skip(1).step_by(2) {
        assert_eq!(message["reply"]["state"], "STOPPED");
    }
    socket.expect_silence().await;
}

async fn a_stop_from_another_socket_or_face_reaches_the_reply(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let mut other = Mt::open(&server, &chat).await;
    other.expect_silence().await;
    let mut sender = Mt::open(&server, &chat).await;
    sender.upload("Tell me about the sea").await;
    sender.until("chunk").await;
    other.send(json!({ "mt": "stop" })).await;
    let seen = other.until("stopped_generation").await;
    assert_eq!(kind_of(&seen[seen.len() - 2]), "end");
    let seen = sender.until("stop_typing_indicator").await;
    assert!(seen.iter().all(|frame| kind_of(frame) != "stopped_generation"));

    // Begun over GraphQL and stopped here.
    let reply = server.send(&chat, "Tell me about the sky").await;
    sender.until("chunk").await;
    sender.send(json!({ "mt": "stop" })).await;
    let seen = sender.until("stop_typing_indicator").await;
    assert!(seen.iter().any(|frame| frame["stop"] == reply.as_str()));

    // Begun here and stopped over GraphQL.
    sender.upload("Tell me about the earth").await;
    let seen = sender.until("chunk").await;
    let id = &seen.last().unwrap()["messageId"];
    let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { text } } }";
    let stopped = server.data(stop, json!({ "id": id })).await;
    let mut all = seen.clone();
    all.extend(sender.until("stop_typing_indicator").await);
    assert_eq!(stopped["stopReply"]["message"]["text"], replies(&all)[0].text);
    assert!(
        kinds(&all)
            .iter()
            .all(|kind| !["stopped_generation", "bot confirm"].contains(kind))
    );
}

async fn an_upload_after_a_stop_works_at_once(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for n in 0..3 {
        socket.upload(&format!("prompt {n}")).await;
        let frames = socket.until("chunk").await;
        assert!(frames.iter().any(|frame| kind_of(frame) == "start"));
        socket.send(json!({ "mt": "stop" })).await;
        socket.until("stop_typing_indicator").await;
    }
    assert_eq!(messages(&server, &chat).await.len(), 6);
}

async fn a_stop_right_behind_an_upload_stops_its_reply(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for _ in 0..5 {
        socket.upload("Tell me about the sea").await;
        socket.send(json!({ "mt": "stop" })).await;
        let mut order = kinds(&socket.until("stop_typing_indicator").await);
        order.retain(|kind| *kind != "chunk");
        let expected = [
            "user confirm",
            "typing_indicator",
            "new_message",
            "start",
            "end",
            "stopped_generation",
            "stop_typing_indicator",
        ];
        assert_eq!(order, expected);
    }
    let stored = messages(&server, &chat).await;
    let states: Vec<_> = stored
        .iter()
        .skip(1)
        .step_by(2)
        .map(|it| it["reply"]["state"].clone())
        .collect();
    assert_eq!(states, vec![Value::from("STOPPED"); 5]);
}
