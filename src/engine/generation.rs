//! One reply, from its turn to its end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::history::Ask;
use super::{Engine, LiveReply, REASONING_BYTES_MAX, REPLY_BYTES_MAX, Slot, count_tokens};
use crate::bot::{BotEvent, Prompt};
use crate::domain::{FinishReason, Message, ReplyError, ReplyOutcome, ReplyState, TokenCount, Usage};
use crate::telemetry::{replies, spans};

impl Engine {
    /// Generates the reply and returns it as it is stored.
    pub(super) async fn generate(
        self: &Arc<Self>,
        reply: &Message,
        live: &Arc<LiveReply>,
        slot: &Slot,
        ask: Ask,
    ) -> Message {
        // Ends with this function, whichever way that ends.
        let done = CancellationToken::new();
        let _done = done.clone().drop_guard();
        {
            let (engine, live, id) = (self.clone(), live.clone(), reply.id);
            tokio::spawn(async move { engine.beat(id, &live, done).await }.in_current_span());
        }
        let mut outcome = ReplyOutcome::bare(ReplyState::Interrupted, reply.created_at);
        // The permit is held to the end of this function: the next reply's history includes this one.
        let _permit = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            () = live.stopped() => { outcome.state = ReplyState::Stopped; None }
            permit = self.turn(slot, reply) => match permit {
                Ok(permit) => {
                    // A panicking bot must end its reply like any other that fails.
                    let talk = AssertUnwindSafe(self.converse(reply, live, ask, &mut outcome));
                    if talk.catch_unwind().await.is_err() {
                        tracing::error!(message.id = %reply.id, "a bot panicked");
                        outcome.state = ReplyState::Failed;
                        outcome.error = Some(internal_error());
                    }
                    Some(permit)
                }
                Err(_) => None,
            }
        };
        if outcome.state == ReplyState::Interrupted {
            outcome.error = Some(shut_down());
        }
        outcome.text = Some(live.text());
        outcome.stop = live.stop_request();
        // A reply that never had its turn cost nothing, and that is no estimate.
        outcome.usage.get_or_insert(Usage {
            prompt: TokenCount::reported(0),
            completion: TokenCount::reported(0),
        });
        outcome.finished_at = self.clock.now();
        replies::ended(&outcome, reply.created_at);
        self.bot_record.note(&outcome);
        self.finish(reply, live, outcome).await
    }

    async fn converse(&self, reply: &Message, live: &LiveReply, ask: Ask, outcome: &mut ReplyOutcome) {
        let mut watch = Stopwatch::start();
        let history = tokio::select! {
            biased;
            () = live.stopped() => { outcome.state = ReplyState::Stopped; return }
            () = self.shutdown.cancelled() => return,
            history = self.history(reply.chat_id, ask.before) => history,
        };
        let (turns, prompt_tokens) = match history {
            Ok(history) => history,
            Err(error) => {
                tracing::warn!(message.id = %reply.id, error = &error as &dyn std::error::Error, "no history");
                outcome.state = ReplyState::Failed;
                outcome.error = Some(ReplyError {
                    code: "UNAVAILABLE".to_owned(),
                    message: "The chat's history could not be read. Please try again.".to_owned(),
                });
                return;
            }
        };
        let now = self.clock.now();
        outcome.started_at = Some(now);
        let prompt = Prompt {
            turns,
            language: ask.language,
            timezone: ask.timezone,
            now,
            faults: ask.faults,
        };
        let reported = self
            .listen(prompt, live, outcome, &mut watch)
            .instrument(spans::upstream(self.bot.model()))
            .await;
        outcome.upstream_closed_at = Some(self.clock.now());
        outcome.usage = Some(match reported {
            Some(usage) => usage,
            None => Usage {
                prompt: prompt_tokens,
                completion: count_tokens(&live.text()).await,
            },
        });
        outcome.overhead_us = i64::try_from(watch.own().as_micros()).ok();
    }

    /// Appends what the bot says until it has said all, and closes its stream. Returns the usage that it reported.
    async fn listen(
        &self,
        prompt: Prompt,
        live: &LiveReply,
        outcome: &mut ReplyOutcome,
        watch: &mut Stopwatch,
    ) -> Option<Usage> {
        let mut events = self.bot.reply(prompt);
        let mut reasoning = String::new();
        let mut reported = None;
        let pieces = replies::pieces();
        outcome.state = loop {
            watch.wait();
            let event = tokio::select! {
                biased;
                () = live.stopped() => break ReplyState::Stopped,
                () = self.shutdown.cancelled() => break ReplyState::Interrupted,
                event = events.next() => event,
            };
            watch.go_on();
            match event {
                Some(Ok(BotEvent::Piece(piece))) => {
                    outcome.first_piece_at.get_or_insert_with(|| {
                        tracing::debug!("the bot said its first piece");
                        self.clock.now()
                    });
                    pieces.add();
                    let taken = head(&piece, REPLY_BYTES_MAX - live.length());
                    live.append(taken);
                    if taken.len() < piece.len() {
                        break ReplyState::Length;
                    }
                }
                Some(Ok(BotEvent::Reasoning(piece))) => {
                    reasoning.push_str(head(&piece, REASONING_BYTES_MAX - reasoning.len()));
                }
                Some(Ok(BotEvent::Finished { reason, usage })) => {
                    reported = usage;
                    break match reason {
                        FinishReason::Complete => ReplyState::Complete,
                        FinishReason::Length => ReplyState::Length,
                    };
                }
                Some(Err(error)) => {
                    let (code, message) = (error.code.to_owned(), error.message.to_owned());
                    outcome.error = Some(ReplyError { code, message });
                    break ReplyState::Failed;
                }
                None => break ReplyState::Truncated,
            }
        };
        watch.go_on();
        outcome.reasoning = (!reasoning.is_empty()).then_some(reasoning);
        reported
    }
}

/// As much of the beginning of a text as has at most `bytes_max` bytes and ends with a whole character.
fn head(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or_default()
}

/// Tells the time that passes here from the time that is spent waiting for the bot.
struct Stopwatch {
    own: Duration,
    running_since: Option<Instant>,
}

impl Stopwatch {
    fn start() -> Self {
        Self {
            own: Duration::ZERO,
            running_since: Some(Instant::now()),
        }
    }

    fn wait(&mut self) {
        self.own = self.own();
        self.running_since = None;
    }

    fn go_on(&mut self) {
        self.running_since.get_or_insert_with(Instant::now);
    }

    fn own(&self) -> Duration {
        self.own + self.running_since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

fn shut_down() -> ReplyError {
    ReplyError {
        code: "SHUTDOWN".to_owned(),
        message: "The server was shut down before the reply had ended. Please try again.".to_owned(),
    }
}

fn internal_error() -> ReplyError {
    ReplyError {
        code: "INTERNAL".to_owned(),
        message: "The reply failed. Please try again.".to_owned(),
    }
}
