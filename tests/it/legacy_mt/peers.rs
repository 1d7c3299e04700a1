//! Pings, peers that are dead, and the minute on the wall: the real router over lines in memory, where time is what the
//! test says.

use std::sync::Arc;
use std::time::Duration;

use colloquy::domain::Timestamp;
use colloquy::drain::Drain;
use colloquy::legacy::dates::DateFormat;
use colloquy::legacy::socket;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::on_both_stores;
use crate::support::house::House;
use crate::support::make;
use crate::support::mt::{WAIT_MAX, kind_of, upload};
use crate::support::scratch::Scratch;

on_both_stores! {
    a_confirmation_tells_the_present_minute_and_not_that_of_the_handshake,
}

/// As `docs/mt-protocol.md` has them.
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// The documented socket in a house of its own.
struct Room {
    house: House,
    chat: String,
}

impl Room {
    async fn new(scratch: &Scratch) -> Self {
        let house = House::new(scratch, |service| {
            let documented = Arc::new(service.with_limits(service.limits().documented()));
            socket::routes(documented, DateFormat::default(), "", Drain::new(false))
        })
        .await;
        let chat = make::chat();
        house.store.insert_chat(&chat).await.unwrap();
        let chat = chat.id.to_string();
        Self { house, chat }
    }

    async fn open(&self) -> WebSocketStream<DuplexStream> {
        let url = format!("ws://house/chat/ws/{}", self.chat);
        client_async(url, self.house.line()).await.unwrap().0
    }

    async fn count(&self) -> Value {
        let mut line = self.house.line();
        let request = format!(
            "GET /chat/ws/{}/status HTTP/1.1\r\nhost: house\r\nconnection: close\r\n\r\n",
            self.chat
        );
        line.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["connection_count"].take()
    }
}

#[tokio::test]
async fn a_peer_is_pinged_every_twenty_seconds_and_stays_for_as_long_as_it_answers() {
    let scratch = Scratch::embedded().await;
    let room = Room::new(&scratch).await;
    tokio::time::pause();
    let mut socket = room.open().await;
    let opened = Instant::now();
    for n in 1..=10 {
        // To read on is to answer the ping before.
        match socket.next().await {
            Some(Ok(Message::Ping(_))) => assert_eq!(opened.elapsed().as_secs(), n * PING_EVERY.as_secs()),
            other => panic!("{other:?}"),
        }
        assert_eq!(room.count().await, 1);
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed_after_45_seconds_and_its_seat_is_free() {
    let scratch = Scratch::embedded().await;
    let room = Room::new(&scratch).await;
    tokio::time::pause();
    let mut talks = room.open().await;
    // From here on nobody answers; what comes over the line is only looked at.
    let mut line = room.open().await.into_inner();
    let opened = Instant::now();
    assert_eq!(room.count().await, 2);
    // Whatever a peer says is a sign of life; and one that goes on saying nothing known is told nothing.
    let talking = tokio::spawn(async move {
        while opened.elapsed() < 3 * SILENCE_MAX {
            talks.send(Message::text("{}")).await.unwrap();
            tokio::time::sleep(SILENCE_MAX - Duration::from_secs(1)).await;
        }
        talks
    });
    let mut came = Vec::new();
    line.read_to_end(&mut came).await.unwrap();
    let reason = b"No answer to pings";
    let close = [&[0x88, 2 + reason.len() as u8, 0x03, 0xE9], &reason[..]].concat();
    let pings = [0x89, 0, 0x89, 0];
    assert_eq!(came, [&pings[..], &close].concat());
    // A last second is for the answer to the close frame.
    assert_eq!(opened.elapsed().as_secs(), SILENCE_MAX.as_secs() + 1);
    assert_eq!(room.count().await, 1);
    let _open = talking.await.unwrap();
    assert_eq!(room.count().await, 1);
}

async fn a_confirmation_tells_the_present_minute_and_not_that_of_the_handshake(scratch: &Scratch) {
    let room = Room::new(scratch).await;
    let morning = Timestamp::parse_rfc3339("2026-01-31T08:45:51.120Z").unwrap();
    room.house.clock.set(morning.millis());
    let mut socket = room.open().await;
    for (minutes, time) in [(0, "08:45"), (3, "08:48"), (24 * 60, "08:45")] {
        room.house.clock.set(morning.millis() + minutes * 60_000);
        socket
            .send(Message::text(upload("hello").to_string()))
            .await
            .unwrap();
        let mut confirms = Vec::new();
        loop {
            let frame = timeout(WAIT_MAX, socket.next())
                .await
                .expect("the server said nothing");
            let text = frame.unwrap().unwrap().into_text().unwrap();
            let frame: Value = serde_json::from_str(&text).unwrap();
            match kind_of(&frame) {
                "user confirm" | "bot confirm" => confirms.push(frame["time"].clone()),
                "stop_typing_indicator" => break,
                _ => {}
            }
        }
        assert_eq!(confirms, [time, time]);
    }
}
