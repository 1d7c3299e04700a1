//! Sockets that read slowly or not at all.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::{messages, status};
use crate::support::figures::Figures;
use crate::support::mt::{Mt, replies};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Far more than what the kernel holds of it for a peer that does not read.
const HUGE: [&str; 4] = ["--builtin-pace", "0", "--builtin-faults", "huge=1000KB"];
const REPLIES: usize = 6;
const STUCK: u64 = 100;
/// What a stuck socket may take, in KiB: a few pieces of 16 KiB and their frames, and nothing that grows with the reply.
const STUCK_KIB_MAX: u64 = 384;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_every_character_of_every_reply() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &HUGE);
    let chat = server.create_chat("A chat").await;
    let mut slow = narrow(&server, &chat).await;
    let mut quick = Mt::open(&server, &chat).await;
    let mut frames = Vec::new();
    // More than the kernel takes for one that reads next to nothing.
    for n in 0..REPLIES {
        quick.upload(&format!("number {n}")).await;
        quick.until("stop_typing_indicator").await;
        frames.push(slow.frame().await);
    }
    for _ in 0..REPLIES {
        frames.extend(slow.until("stop_typing_indicator").await);
    }
    let shown = replies(&frames);
    let stored = messages(&server, &chat).await;
    assert_eq!(shown.len(), REPLIES);
    // Those that ended before it came to them may come in another order.
    for shown in &shown {
        let stored = stored
            .iter()
            .find(|message| message["id"] == shown.stream.as_str())
            .unwrap();
        assert!(stored["text"] == shown.text, "{}", shown.text.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_for_ten_seconds_is_closed_and_costs_nobody_anything() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_thrifty(&scratch, &HUGE);
    let chat = server.create_chat("A chat").await;
    let mut reader = Mt::open(&server, &chat).await;
    // What so many replies leave behind in caches is there before.
    talk(&mut reader).await;
    talk(&mut reader).await;
    let before = server.memory_kib();
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        stuck.push(narrow(&server, &chat).await);
    }
    talk(&mut reader).await;
    let after = server.memory_kib();
    assert!(
        after < before + STUCK * STUCK_KIB_MAX,
        "{before} KiB, then {after} KiB"
    );
    // A stop gets through from one that reads nothing.
    stuck[0].send(json!({ "mt": "stop" })).await;
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while status(&server, &chat).await["connection_count"] != 1 {}
    });
    waited.await.expect("stuck sockets are still open");
    let figures = Figures::of(&server).await;
    let slow = figures.sum("colloquy_slow_readers_total", &[("face", "mt")]);
    assert!(slow > Some(0.0), "{slow:?}");
    // What the kernel had taken can be read, and then the line is at its end, with the reason if there was room.
    let mut stuck = stuck.remove(1);
    let end = loop {
        match stuck.0.next().await {
            Some(Ok(Message::Close(close))) => break close,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break None,
        }
    };
    // One that answers no ping either, on a machine so slow that the pings' wait is over before, is taken for dead.
    assert!(end.is_none_or(|close| [1001, 1013].contains(&u16::from(close.code))));
}

/// Asks for so many replies and reads them.
async fn talk(reader: &mut Mt) {
    for n in 0..REPLIES {
        reader.upload(&format!("number {n}")).await;
        let frames = reader.until("stop_typing_indicator").await;
        assert!(replies(&frames)[0].text.len() >= 1000 * 1024);
    }
}

/// A socket that takes little before it is read, so that the server feels it.
async fn narrow(server: &Server, chat: &str) -> Mt {
    let address = server.url.strip_prefix("http://").unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let stream = tokio_tungstenite::MaybeTlsStream::Plain(stream);
    let (socket, _) = client_async(format!("ws://{address}/chat/ws/{chat}"), stream)
        .await
        .unwrap();
    let mut socket = Mt(socket);
    socket.expect_silence().await;
    socket
}
