//! Writes to one socket: what came of its frames, and what happens in its chat.

use std::pin::pin;
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{Sink, SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::stage::{Answer, Stage};
use super::worker::replay;
use super::{Close, GOING_AWAY, SLOW_CONSUMER, TOLD_MAX};
use crate::domain::{ChatCursor, MessageId, Viewer};
use crate::peer::{CLOSE_WAIT_MAX, PING_EVERY, WRITE_WAIT_MAX};
use crate::service::{ChatUpdate, ReplyUpdate, Service};
use crate::telemetry::faces::Face;
use crate::telemetry::streams::slow_reader;

/// What the talker is told by those who read and work for its socket.
pub(super) enum Told {
    /// The chat from now on.
    Follow {
        /// What is told of it.
        updates: Updates,
        /// Behind which place.
        place: ChatCursor,
    },
    /// A message of this socket is about to be stored.
    Sending,
    /// It was.
    Sent(Box<Answer>),
    /// It was not; why is told next.
    NotSent,
    /// The replies of the chat are about to be stopped.
    Stopping,
    /// They were.
    Stopped {
        /// What to echo, as JSON.
        echo: String,
        /// Those that were.
        ids: Vec<MessageId>,
    },
    /// There is no such chat.
    Denied,
    /// Something was refused with these words.
    Error(String),
}

/// What happens in a chat.
pub(super) type Updates = BoxStream<'static, (ChatUpdate, ChatCursor)>;

/// The socket cannot be written to any more: with what to tell the peer, if that is of use.
struct Broken(Option<Close>);

pub(super) struct Talker {
    service: Arc<Service>,
    viewer: Viewer,
    stage: Stage,
    follower: Option<Updates>,
    /// Replies that the chat does not tell.
    joined: SelectAll<BoxStream<'static, ReplyUpdate>>,
    is_sending: bool,
    /// What the chat told that has to wait for a confirmation; nothing more is asked of the chat meanwhile.
    held: Option<(ChatUpdate, ChatCursor)>,
    /// Until when the answer to a stop waits for the ends of what it stopped.
    stop_deadline: Instant,
}

impl Talker {
    pub(super) fn new(service: Arc<Service>, viewer: Viewer, stage: Stage) -> Self {
        Self {
            service,
            viewer,
            stage,
            follower: None,
            joined: SelectAll::new(),
            is_sending: false,
            held: None,
            stop_deadline: Instant::now(),
        }
    }

    /// Writes until the socket fails or whoever reads it says that it ends.
    pub(super) async fn run<S>(
        mut self,
        mut sink: S,
        mut told: mpsc::Receiver<Told>,
        mut finishes: mpsc::Receiver<Close>,
    ) where
        S: Sink<Message> + Unpin,
    {
        let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let close = loop {
            let is_open = self.held.is_none();
            tokio::select! {
                biased;
                reason = finishes.recv() => break reason,
                () = tokio::time::sleep_until(self.stop_deadline), if self.stage.awaits_ends() => {
                    self.at_once(Stage::end_stop);
                }
                Some(first) = told.recv(), if !self.stage.awaits_ends() => self.hear_all(first, &mut told),
                _ = pings.tick() => match in_time(sink.send(Message::Ping(Default::default()))).await {
                    Ok(()) => {}
                    Err(Broken(close)) => break close,
                },
                Some(update) = self.joined.next(), if is_open => {
                    self.at_once(|stage| stage.show_alone(&update));
                }
                update = next(&mut self.follower), if is_open && self.follower.is_some() => {
                    self.take(update).await;
                }
            }
            // A client that leaves meanwhile ends the writing with it.
            let written = {
                let mut writing = pin!(write_all(&mut sink, self.stage.take_said()));
                tokio::select! {
                    biased;
                    reason = finishes.recv() => {
                        if reason == Some(GOING_AWAY) {
                            // What is on its way is said to its end: it may confirm what the client would send again.
                            let _ = tokio::time::timeout(CLOSE_WAIT_MAX, writing).await;
                        }
                        Err(Broken(reason))
                    }
                    written = &mut writing => written,
                }
            };
            if let Err(Broken(close)) = written {
                break close;
            }
        };
        if close == Some(GOING_AWAY) {
            // What was done for the client is said first.
            if self.stage.awaits_ends() {
                self.at_once(Stage::end_stop);
            }
            while let Ok(told) = told.try_recv() {
                self.hear(told);
            }
            let rest = write_all(&mut sink, self.stage.take_said());
            let _ = tokio::time::timeout(CLOSE_WAIT_MAX, rest).await;
        }
        if let Some(Close(code, reason)) = close {
            let frame = CloseFrame {
                code,
                reason: Utf8Bytes::from_static(reason),
            };
            // A peer that does not even take the close frame is dropped with the socket.
            let _ = tokio::time::timeout(CLOSE_WAIT_MAX, sink.send(Message::Close(Some(frame)))).await;
        }
    }

    /// Hears something, and behind a short refusal what waits already: a flood of them is not one of flushes.
    fn hear_all(&mut self, first: Told, told: &mut mpsc::Receiver<Told>) {
        let mut next = Some(first);
        let mut left = TOLD_MAX;
        while let Some(now) = next.take() {
            left -= 1;
            if left > 0 && matches!(now, Told::Denied | Told::Error(_)) {
                next = told.try_recv().ok();
            }
            self.hear(now);
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Follow { updates, place } => {
                self.follower = Some(updates);
                self.stage.follow(place);
            }
            Told::Sending => self.is_sending = true,
            Told::Sent(mut answer) => {
                self.at_once(|stage| stage.confirm(&answer));
                if let Some(reply) = answer.joined.take()
                    && self.stage.join(answer.reply_id)
                {
                    self.joined.push(reply);
                }
                self.release();
            }
            Told::NotSent => self.release(),
            Told::Stopping => self.stage.begin_stop(),
            Told::Stopped { echo, ids } => {
                self.stop_deadline = Instant::now() + CLOSE_WAIT_MAX;
                self.at_once(|stage| stage.stopped(echo, ids));
            }
            Told::Denied => self.at_once(Stage::deny),
            Told::Error(words) => self.at_once(|stage| stage.error(&words)),
        }
    }

    /// What waited for a confirmation waits no more.
    fn release(&mut self) {
        self.is_sending = false;
        if let Some((update, cursor)) = self.held.take() {
            self.at_once(|stage| stage.show(&update, cursor));
        }
    }

    async fn take(&mut self, update: Option<(ChatUpdate, ChatCursor)>) {
        let Some((update, cursor)) = update else {
            self.follower = None;
            self.at_once(Stage::close_all);
            return;
        };
        if self.is_sending && self.stage.may_await_confirmation(&update) {
            self.held = Some((update, cursor));
            return;
        }
        if matches!(update, ChatUpdate::Resync) {
            // Whole replies may be among what is not told.
            for id in self.stage.unseen() {
                if let Ok(reply) = replay(&self.service, &self.viewer, id).await
                    && self.stage.join(id)
                {
                    self.joined.push(reply);
                }
            }
        }
        self.at_once(|stage| stage.show(&update, cursor));
    }

    fn at_once(&mut self, show: impl FnOnce(&mut Stage)) {
        self.stage.set_now(self.service.now_micros());
        show(&mut self.stage);
    }
}

async fn next(follower: &mut Option<Updates>) -> Option<(ChatUpdate, ChatCursor)> {
    follower.as_mut()?.next().await
}

async fn write_all<S: Sink<Message> + Unpin>(sink: &mut S, frames: Vec<String>) -> Result<(), Broken> {
    if frames.is_empty() {
        return Ok(());
    }
    for frame in frames {
        in_time(sink.feed(Message::Text(frame.into()))).await?;
    }
    in_time(sink.flush()).await
}

/// Waits until the peer has taken so much that a frame is written.
async fn in_time<E>(writing: impl Future<Output = Result<(), E>>) -> Result<(), Broken> {
    match tokio::time::timeout(WRITE_WAIT_MAX, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Broken(None)),
        Err(_) => {
            slow_reader(Face::Mt);
            Err(Broken(Some(SLOW_CONSUMER)))
        }
    }
}
