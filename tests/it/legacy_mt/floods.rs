//! Very many frames that are wrong.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::messages;
use crate::on_both_stores;
use crate::support::mt::{Mt, WAIT_MAX, upload};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    fifty_thousand_malformed_frames_leave_the_server_as_it_was,
}

/// On each store.
const FRAMES: usize = 50_000;
const WARMING_FRAMES: usize = 10_000;
const SOCKETS: usize = 4;
/// What an allocator may keep of so many frames, in KiB.
const GROWTH_KIB_MAX: u64 = 8 * 1024;

/// A small generator, so that a run can be had again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// A frame with something wrong: an upload cut, with a byte changed, repeated or put in, or no upload at all.
fn malformed(random: &mut Random) -> Vec<u8> {
    // Of a kind that is never known, so that nothing is stored.
    let frame = upload("नमस्ते \u{1} \"you\"").to_string();
    let mut bytes = frame.replace("message_upload", "message_nothing").into_bytes();
    let place = random.below(bytes.len());
    match random.below(6) {
        0 => bytes.truncate(place),
        1 => bytes[place] = u8::try_from(random.below(256)).unwrap(),
        2 => bytes.insert(place, u8::try_from(random.below(256)).unwrap()),
        3 => {
            bytes.remove(place);
        }
        4 => bytes = vec![b"[{\"0tnx"[random.below(7)]; random.below(300)],
        _ => {
            bytes = (0..random.below(60))
                .map(|_| u8::try_from(random.below(256)).unwrap())
                .collect()
        }
    }
    bytes
}

async fn fifty_thousand_malformed_frames_leave_the_server_as_it_was(scratch: &Scratch) {
    let server = Server::start_thrifty(scratch, &[]);
    let chat = server.create_chat("A chat").await;
    // So that what is loaded once is loaded, such as the vocabulary that tokens are counted in, and what is kept for
    // reuse is there.
    hello(&server, &chat).await;
    floods(&server, &chat, 1, WARMING_FRAMES).await;
    let before = server.memory_kib();
    floods(&server, &chat, 0xC0110, FRAMES).await;
    let after = server.memory_kib();
    assert!(after < before + GROWTH_KIB_MAX, "{before} KiB, then {after} KiB");
    assert_eq!(messages(&server, &chat).await.len(), 2);
    hello(&server, &chat).await;
}

/// A message that is answered.
async fn hello(server: &Server, chat: &str) {
    let mut socket = Mt::open(server, chat).await;
    socket.upload("hello").await;
    socket.until("stop_typing_indicator").await;
}

/// Sends so many over several sockets at once.
async fn floods(server: &Server, chat: &str, seed: u64, count: usize) {
    let floods = (0..SOCKETS).map(|n| flood(server, chat, seed + n as u64, count / SOCKETS));
    futures_util::future::join_all(floods).await;
}

/// Sends so many, and gets exactly the errors that are due.
async fn flood(server: &Server, chat: &str, seed: u64, count: usize) {
    let mut random = Random(seed);
    let mut due = (0, 0);
    let frames: Vec<_> = (0..count)
        .map(|_| match String::from_utf8(malformed(&mut random)) {
            Ok(text) => {
                match serde_json::from_str::<Value>(&text) {
                    Ok(json) if json.is_object() => {}
                    Ok(_) => due.1 += 1,
                    // A number or a half of a surrogate pair that does not fit is JSON all the same.
                    Err(_) if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => due.1 += 1,
                    Err(_) => due.0 += 1,
                }
                Message::text(text)
            }
            Err(error) => {
                due.0 += 1;
                Message::binary(error.into_bytes())
            }
        })
        .collect();
    let (mut sink, mut stream) = Mt::open(server, chat).await.0.split();
    let sending = async move {
        for frame in frames {
            sink.feed(frame).await.unwrap();
        }
        sink.send(Message::text(json!({ "mt": "stop" }).to_string()))
            .await
            .unwrap();
        sink
    };
    let receiving = async {
        let (mut seen, mut has_ended) = ((0, 0), false);
        while seen != due || !has_ended {
            let frame = tokio::time::timeout(WAIT_MAX, stream.next()).await;
            let frame = match frame.expect("the server said nothing") {
                Some(Ok(Message::Text(text))) => serde_json::from_str::<Value>(&text).unwrap(),
                Some(Ok(Message::Ping(_))) => continue,
                other => panic!("{other:?}"),
            };
            match frame["message"].as_str() {
                Some("Invalid JSON format") => seen.0 += 1,
                Some("Error processing message") => seen.1 += 1,
                _ => has_ended = frame["mt"] == "stopped_generation",
            }
        }
    };
    let _open = tokio::join!(sending, receiving);
}
