//! Several sockets of one chat, some of which come late or come back.

use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_tungstenite::{MaybeTlsStream, client_async};

use super::{SLOW, STEADY, messages, post, status, until_count};
use crate::on_every_pair;
use crate::support::mt::{Mt, kind_of, kinds, replies, upload};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_every_pair! {
    the_room_sees_everything_but_the_confirmations,
    the_server_is_silent_until_a_client_speaks,
    whoever_is_let_in_is_counted_and_misses_nothing_from_then_on,
    messages_written_by_another_way_are_shown,
    a_reply_goes_on_when_its_sender_leaves,
    a_line_that_is_reset_in_the_middle_frees_its_seat_and_the_reply_goes_on,
    a_socket_that_comes_in_the_middle_is_shown_the_whole_reply,
    a_socket_that_comes_back_with_its_cursor_misses_and_repeats_nothing,
    what_was_told_again_to_its_sender_is_in_the_cursor_as_well,
    a_reply_of_which_nothing_was_shown_yet_begins_after_the_line_broke,
    a_server_that_goes_down_closes_with_1012,
}

async fn the_room_sees_everything_but_the_confirmations(scratch: &Scratch) {
    let server = Server::start_with(scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut other = Mt::open(&server, &chat).await;
        other.expect_silence().await;
        others.push(other);
    }
    let mut stranger = Mt::open(&server, &server.create_chat("Another").await).await;
    let mut sender = Mt::open(&server, &chat).await;
    sender.upload("Tell me about the sea").await;
    let seen = sender.until("stop_typing_indicator").await;
    let text = &replies(&seen)[0];
    for other in &mut others {
        let frames = other.until("stop_typing_indicator").await;
        let order = [
            "typing_indicator",
            "new_message",
            "start",
            "chunk",
            "end",
            "stop_typing_indicator",
        ];
        assert_eq!(kinds(&frames), order);
        let shown = &replies(&frames)[0];
        assert_eq!((&shown.stream, &shown.text), (&text.stream, &text.text));
        other.expect_silence().await;
    }
    stranger.expect_silence().await;
}

async fn the_server_is_silent_until_a_client_speaks(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("hello").await;
    socket.until("stop_typing_indicator").await;
    let mut another = Mt::open(&server, &chat).await;
    another.expect_silence().await;
}

async fn whoever_is_let_in_is_counted_and_misses_nothing_from_then_on(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    for n in 0..20 {
        let text = format!("number {n}");
        // It has said nothing yet, so only the handshake can have made it a member.
        let mut socket = Mt::open(&server, &chat).await;
        let (status, posted) = tokio::join!(status(&server, &chat), post(&server, &chat, &text, "USER"));
        assert_eq!(status["connection_count"], 1);
        assert_eq!(socket.expect("new_message").await["messageId"], posted);
        socket.leave().await;
        until_count(&server, &chat, 0).await;
    }
}

async fn messages_written_by_another_way_are_shown(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.expect_silence().await;
    for (author, is_bot) in [("USER", false), ("BOT", true)] {
        let id = post(&server, &chat, "written elsewhere", author).await;
        let shown = socket.expect("new_message").await;
        assert_eq!(
            (&shown["messageId"], &shown["message"]),
            (&json!(id), &json!("written elsewhere"))
        );
        assert_eq!(shown["isBot"], is_bot);
    }
    let reply = server.send(&chat, "hello").await;
    let frames = socket.until("stop_typing_indicator").await;
    let order = [
        "typing_indicator",
        "new_message",
        "start",
        "chunk",
        "end",
        "stop_typing_indicator",
    ];
    assert_eq!(kinds(&frames), order);
    assert_eq!(replies(&frames)[0].stream, reply);
}

async fn a_reply_goes_on_when_its_sender_leaves(scratch: &Scratch) {
    let server = Server::start_with(scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let mut watcher = Mt::open(&server, &chat).await;
    watcher.expect_silence().await;
    let mut sender = Mt::open(&server, &chat).await;
    sender.upload("Tell me about the sea").await;
    sender.until("chunk").await;
    sender.leave().await;
    assert_eq!(status(&server, &chat).await["connection_count"], 1);
    let frames = watcher.until("stop_typing_indicator").await;
    let stored = messages(&server, &chat).await;
    assert_eq!(stored[1]["reply"]["state"], "COMPLETE");
    assert_eq!(stored[1]["text"], replies(&frames)[0].text);
}

async fn a_line_that_is_reset_in_the_middle_frees_its_seat_and_the_reply_goes_on(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let address = server.url.strip_prefix("http://").unwrap();
    let line = TcpSocket::new_v4().unwrap();
    // Dropped, it does not end in order.
    line.set_zero_linger().unwrap();
    let line = line.connect(address.parse().unwrap()).await.unwrap();
    let url = format!("ws://{address}/chat/ws/{chat}");
    let (socket, _) = client_async(url, MaybeTlsStream::Plain(line)).await.unwrap();
    let mut sender = Mt(socket);
    sender.upload("Tell me about the sea").await;
    let seen = sender.until("chunk").await;
    assert_eq!(status(&server, &chat).await["connection_count"], 1);
    drop(sender);
    until_count(&server, &chat, 0).await;
    // The reply is far from its end; whoever comes now sees it grow, and what was seen is its beginning.
    let stored = messages(&server, &chat).await;
    assert_eq!(stored[1]["reply"]["state"], "STREAMING");
    let mut other = Mt::open(&server, &chat).await;
    let mut frames = other.until("chunk").await;
    frames.extend(other.until("chunk").await);
    other.send(json!({ "mt": "stop" })).await;
    frames.extend(other.until("stop_typing_indicator").await);
    let shown = replies(&frames).remove(0);
    assert!(shown.text.starts_with(&replies(&seen)[0].text));
    assert_eq!(messages(&server, &chat).await[1]["text"], shown.text);
}

async fn a_socket_that_comes_in_the_middle_is_shown_the_whole_reply(scratch: &Scratch) {
    let server = Server::start_with(scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let mut sender = Mt::open(&server, &chat).await;
    sender.upload("Tell me about the sea").await;
    let mut seen = sender.until("chunk").await;
    let mut late = Mt::open(&server, &chat).await;
    let frames = late.until("stop_typing_indicator").await;
    seen.extend(sender.until("stop_typing_indicator").await);
    let (shown, whole) = (&replies(&frames)[0], &replies(&seen)[0]);
    assert_eq!(shown.text, whole.text);
    // To a client that comes back, the old name stands for what it has of it.
    assert_ne!(shown.stream, whole.stream);
    assert!(
        frames
            .iter()
            .all(|frame| frame["messageId"].is_null() || frame["messageId"] == whole.stream.as_str())
    );
}

async fn a_reply_of_which_nothing_was_shown_yet_begins_after_the_line_broke(scratch: &Scratch) {
    let server = Server::start_with(scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    let (first, second) = (server.send(&chat, "one").await, server.send(&chat, "two").await);
    let of = |reply: &str, frame: &Value| frame["messageId"] == json!(reply);
    // The second is known by then, and waits for its turn; its coming has no text to show.
    let cursor = loop {
        let frame = socket.frame().await;
        if kind_of(&frame) == "end" && of(&first, &frame) {
            break frame["cursor"].as_str().unwrap().to_owned();
        }
        assert!(!of(&second, &frame) || kind_of(&frame) != "chunk");
    };
    drop(socket);
    let mut socket = Mt::open_at(&server, &format!("/chat/ws/{chat}?after={cursor}")).await;
    let mut frames = vec![socket.frame().await];
    while kind_of(&frames[frames.len() - 1]) != "end" {
        frames.push(socket.frame().await);
    }
    frames.retain(|frame| of(&second, frame));
    assert_eq!(kind_of(&frames[0]), "start", "{frames:?}");
    assert_eq!(
        messages(&server, &chat).await[3]["text"],
        replies(&frames)[0].text
    );
}

async fn a_socket_that_comes_back_with_its_cursor_misses_and_repeats_nothing(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "400", "--builtin-words", "300"]);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("Tell me about the sea").await;
    let mut frames = Vec::new();
    let mut drops = 0;
    loop {
        let frame = socket.frame().await;
        let cursor = frame["cursor"].as_str().map(str::to_owned);
        let kind = kind_of(&frame);
        frames.push(frame);
        match (kind, cursor) {
            ("end", _) => break,
            ("chunk", Some(after)) if frames.len() % 10 == 0 => {
                drops += 1;
                drop(socket);
                socket = Mt::open_at(&server, &format!("/chat/ws/{chat}?after={after}")).await;
            }
            _ => {}
        }
    }
    assert!(drops > 10, "{drops}");
    let shown = replies(&frames);
    assert_eq!(shown.len(), 1);
    assert_eq!(messages(&server, &chat).await[1]["text"], shown[0].text);
    // A cursor that is none is as good as none.
    let mut socket = Mt::open_at(&server, &format!("/chat/ws/{chat}?after=x")).await;
    socket.expect_silence().await;
    socket.upload("hello").await;
    socket.until("stop_typing_indicator").await;
}

async fn what_was_told_again_to_its_sender_is_in_the_cursor_as_well(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "20", "--builtin-words", "40"]);
    let chat = server.create_chat("A chat").await;
    let mut prompt = upload("Tell me about the sea");
    prompt["clientMessageId"] = json!("one");
    let (mut text, mut after) = (String::new(), None);
    let mut path = format!("/chat/ws/{chat}");
    // Lines that break after some chunks, as if no confirmation had come: the client sends the same again each time, and
    // knows some of the reply.
    let mut lines_left = 4;
    while lines_left > 0 {
        let mut socket = Mt::open_at(&server, &path).await;
        socket.send(prompt.clone()).await;
        let mut chunks_left = if lines_left > 1 { 4 } else { usize::MAX };
        while chunks_left > 0 {
            let frame = socket.frame().await;
            match kind_of(&frame) {
                "start" => text.clear(),
                "chunk" => {
                    assert_eq!(frame["offset"], text.len(), "{frame}");
                    text.push_str(frame["partial"].as_str().unwrap());
                    chunks_left -= 1;
                }
                "end" => break,
                _ => {}
            }
            after = frame["cursor"].as_str().map(str::to_owned).or(after);
        }
        lines_left -= 1;
        path = format!("/chat/ws/{chat}?after={}", after.as_ref().unwrap());
        // On the last line it has its confirmation: the rest is told behind the cursor alone.
        if lines_left == 1 {
            prompt = json!({ "mt": "nothing" });
        }
    }
    let stored = messages(&server, &chat).await;
    assert_eq!((stored.len(), &stored[1]["text"]), (2, &json!(text)));
}

async fn a_server_that_goes_down_closes_with_1012(scratch: &Scratch) {
    let server = Server::start_with(scratch, &[&SLOW[..], &["--drain-seconds", "0"]].concat());
    let chat = server.create_chat("A chat").await;
    let mut sockets = vec![
        Mt::open(&server, &chat).await,
        Mt::open(&server, "nonsense").await,
    ];
    sockets[0].upload("Tell me about the sea").await;
    sockets[0].until("chunk").await;
    let ended = tokio::task::spawn_blocking(move || server.stop());
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, 1012);
    }
    let (exit, log) = ended.await.unwrap();
    assert!(exit.success(), "{log}");
    let server = Server::start_with(scratch, &SLOW);
    let stored = messages(&server, &chat).await;
    assert_eq!(stored[1]["reply"]["state"], "INTERRUPTED");
    assert_ne!(stored[1]["text"], Value::from(""));
}
