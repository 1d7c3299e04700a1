//! Replies that take longer than the grace, and servers that are told twice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{REPLY, Viewer, draining, stored};
use crate::on_both_stores;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

on_both_stores! {
    what_takes_longer_than_the_grace_is_interrupted_with_its_whole_text,
    a_second_signal_ends_the_server_at_once,
}

/// A reply that never ends by itself, and one who has seen some of it.
async fn endless(scratch: &Scratch, drain_seconds: &str) -> (Server, String, Socket, Viewer) {
    let slow = ["--builtin-pace", "40", "--builtin-words", "100000"];
    let server = Server::start_with(
        scratch,
        &[&slow[..], &["--drain-seconds", drain_seconds]].concat(),
    );
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "नमस्ते दुनिया 🌍").await;
    let mut socket = Socket::acknowledged(&server).await;
    socket.subscribe("1", REPLY, json!({ "id": reply })).await;
    let mut viewer = Viewer::default();
    while viewer.text.len() < 40 {
        viewer.apply(socket.message().await["payload"].take());
    }
    (server, reply, socket, viewer)
}

/// Hears the socket to its end, and finds that the whole text is stored.
async fn interrupted(scratch: &Scratch, reply: &str, mut socket: Socket, mut viewer: Viewer, server: Server) {
    let (frames, code, _) = socket.drain().await;
    assert_eq!(code, 1012);
    viewer.apply_all(frames);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");

    let server = Server::start(scratch);
    let message = stored(&server, reply).await;
    assert_eq!(message["reply"]["state"], "INTERRUPTED");
    assert_eq!(message["reply"]["error"]["code"], "SHUTDOWN");
    let text = message["text"].as_str().unwrap();
    // Not only what the last checkpoint had.
    assert!(
        text.starts_with(&viewer.text),
        "{text}\nis less than\n{}",
        viewer.text
    );
    if let Some(end) = viewer.end {
        assert_eq!((&end["text"], &end["reply"]), (&json!(text), &message["reply"]));
        assert_eq!(text, viewer.text);
    }
}

async fn what_takes_longer_than_the_grace_is_interrupted_with_its_whole_text(scratch: &Scratch) {
    let (server, reply, socket, viewer) = endless(scratch, "3").await;
    let told_at = Instant::now();
    server.tell_to_stop();
    interrupted(scratch, &reply, socket, viewer, server).await;
    assert!(told_at.elapsed() >= Duration::from_secs(3));
}

async fn a_second_signal_ends_the_server_at_once(scratch: &Scratch) {
    let (server, reply, socket, viewer) = endless(scratch, "3600").await;
    server.tell_to_stop();
    draining(&server).await;
    server.tell_to_stop();
    interrupted(scratch, &reply, socket, viewer, server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_follow_a_reply_hear_of_its_end_before_their_sockets_close() {
    let scratch = Scratch::embedded().await;
    let (server, _, mut socket, mut viewer) = endless(&scratch, "0").await;
    server.tell_to_stop();
    let (frames, code, _) = socket.drain().await;
    assert_eq!(code, 1012);
    viewer.apply_all(frames);
    let end = viewer.end.expect("the end was not told");
    assert_eq!(end["reply"]["error"]["code"], "SHUTDOWN");
    assert_eq!(end["text"], Value::from(viewer.text));
    assert!(server.ended().await.0.success());
}
