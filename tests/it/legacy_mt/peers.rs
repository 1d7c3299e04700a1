//! Pings, peers that are dead, and the minute on the wall: the real router over lines in memory, where time is what the
//! test says.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::serve::Listener;
use colloquy::bot::BuiltinBot;
use colloquy::config::{EngineConfig, Limits};
use colloquy::domain::{Clock, IdSource, Timestamp};
use colloquy::engine::Engine;
use colloquy::feed::LocalFeed;
use colloquy::legacy::dates::DateFormat;
use colloquy::legacy::socket;
use colloquy::service::Service;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::CancellationToken;

use crate::on_both_stores;
use crate::support::make;
use crate::support::mt::{WAIT_MAX, kind_of, upload};
use crate::support::scratch::Scratch;

on_both_stores! {
    a_confirmation_tells_the_present_minute_and_not_that_of_the_handshake,
}

/// As `docs/mt-protocol.md` has them.
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// A clock that stands still unless it is moved.
struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The other ends of lines that were laid.
struct Lines(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Lines {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(line) => (line, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The documented socket in this process, and a chat.
struct House {
    lines: mpsc::UnboundedSender<DuplexStream>,
    clock: Arc<Still>,
    chat: String,
}

impl House {
    async fn new(scratch: &Scratch) -> Self {
        let store = scratch.open().await;
        let chat = make::chat();
        store.insert_chat(&chat).await.unwrap();
        let clock = Arc::new(Still(AtomicI64::new(make::now().millis())));
        let feed = Arc::new(LocalFeed::new(7));
        let engine = Engine::new(
            store.clone(),
            feed.clone(),
            Arc::new(BuiltinBot::new(0.0, 0)),
            clock.clone(),
            EngineConfig::default(),
            "a house".to_owned(),
        );
        let ids = IdSource::new(clock.clone(), [7; 8]);
        let limits = Limits::default().documented();
        let service = Service::new(store, feed, engine, clock.clone(), ids, limits);
        let routes = socket::routes(
            Arc::new(service),
            DateFormat::default(),
            "",
            CancellationToken::new(),
        );
        let (lines, others) = mpsc::unbounded_channel();
        tokio::spawn(async move { axum::serve(Lines(others), routes).await });
        Self {
            lines,
            clock,
            chat: chat.id.to_string(),
        }
    }

    fn line(&self) -> DuplexStream {
        let (line, other) = duplex(64 * 1024);
        self.lines.send(other).unwrap();
        line
    }

    async fn open(&self) -> WebSocketStream<DuplexStream> {
        let url = format!("ws://house/chat/ws/{}", self.chat);
        client_async(url, self.line()).await.unwrap().0
    }

    async fn count(&self) -> Value {
        let mut line = self.line();
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
    let house = House::new(&scratch).await;
    tokio::time::pause();
    let mut socket = house.open().await;
    let opened = Instant::now();
    for n in 1..=10 {
        // To read on is to answer the ping before.
        match socket.next().await {
            Some(Ok(Message::Ping(_))) => assert_eq!(opened.elapsed().as_secs(), n * PING_EVERY.as_secs()),
            other => panic!("{other:?}"),
        }
        assert_eq!(house.count().await, 1);
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed_after_45_seconds_and_its_seat_is_free() {
    let scratch = Scratch::embedded().await;
    let house = House::new(&scratch).await;
    tokio::time::pause();
    let mut talks = house.open().await;
    // From here on nobody answers; what comes over the line is only looked at.
    let mut line = house.open().await.into_inner();
    let opened = Instant::now();
    assert_eq!(house.count().await, 2);
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
    assert_eq!(opened.elapsed().as_secs(), SILENCE_MAX.as_secs());
    assert_eq!(house.count().await, 1);
    let _open = talking.await.unwrap();
    assert_eq!(house.count().await, 1);
}

async fn a_confirmation_tells_the_present_minute_and_not_that_of_the_handshake(scratch: &Scratch) {
    let house = House::new(scratch).await;
    let morning = Timestamp::parse_rfc3339("2026-01-31T08:45:51.120Z").unwrap();
    house.clock.0.store(morning.millis(), Ordering::SeqCst);
    let mut socket = house.open().await;
    for (minutes, time) in [(0, "08:45"), (3, "08:48"), (24 * 60, "08:45")] {
        house
            .clock
            .0
            .store(morning.millis() + minutes * 60_000, Ordering::SeqCst);
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
