//! One reply, from its turn to its end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::turn::Awaited;
use super::{Ask, Ended, Engine, LiveReply, Manner, REASONING_BYTES_MAX, REPLY_BYTES_MAX, count_tokens};
use crate::bot::{BotEvent, Prompt, Turn};
use crate::domain::{Bill, EndState, FinishReason, Message, ReplyError, ReplyOutcome, TokenCount, Usage};
use crate::telemetry::causes::causes;
use crate::telemetry::{replies, spans};

impl Engine {
    /// Generates the reply and stores its end. Returns the end that the store has; `None` if it is not known.
    pub(super) async fn generate(
        self: &Arc<Self>,
        reply: &Message,
        live: &Arc<LiveReply>,
        ask: Ask,
    ) -> Option<Ended> {
        // Ends the checkpoints when this function returns, even by a panic.
        let done = CancellationToken::new();
        let _done = done.clone().drop_guard();
        {
            let (engine, live, id) = (self.clone(), live.clone(), reply.id);
            tokio::spawn(async move { engine.keep_checkpointing(id, &live, done).await }.in_current_span());
        }
        let mut outcome = ReplyOutcome::bare(EndState::Interrupted, reply.created_at);
        // A panic ends the reply as failed, like any other error.
        let answering = self.answer(reply, live, &ask, &mut outcome);
        if AssertUnwindSafe(answering).catch_unwind().await.is_err() {
            tracing::error!(message.id = %reply.id, "a reply panicked");
            outcome.state = EndState::Failed;
            outcome.error = Some(internal_error());
        }
        if outcome.state == EndState::Interrupted {
            outcome.error = Some(shut_down());
        }
        outcome.text = Some(live.text());
        outcome.stop = live.stop_request();
        if outcome.stop.is_some() && outcome.state == EndState::Interrupted {
            outcome.state = EndState::Stopped;
            outcome.error = None;
        }
        if outcome.state != EndState::Stopped {
            // The request came too late: the reply had ended otherwise.
            outcome.stop = None;
        }
        // A reply that never had its turn cost nothing, which is exact and no estimate.
        let usage = *outcome.usage.get_or_insert(Usage {
            prompt: TokenCount::reported(0),
            completion: TokenCount::reported(0),
        });
        outcome.finished_at = self.clock.now();
        replies::ended(&outcome, reply.created_at);
        self.bot_record.note(&outcome);
        let bill = Bill {
            user: ask.user,
            at: outcome.finished_at,
            model: reply.reply.as_ref().and_then(|reply| reply.model.clone()),
            usage,
        };
        self.finish(reply, &outcome, &bill).await
    }

    /// Waits for the turn and has the bot answer; the result goes into `outcome`.
    async fn answer(
        self: &Arc<Self>,
        reply: &Message,
        live: &LiveReply,
        ask: &Ask,
        outcome: &mut ReplyOutcome,
    ) {
        let awaited = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return,
            () = live.stopped() => Awaited::Stopped,
            awaited = self.turn(reply, live, ask) => awaited,
        };
        match awaited {
            Awaited::Turn { turns, tokens, since } => {
                self.converse(live, turns, tokens, &ask.manner, since, outcome)
                    .await;
            }
            // The stored end counts, if another server has ended the reply.
            Awaited::Stopped | Awaited::Gone => outcome.state = EndState::Stopped,
            Awaited::NoPrompt => {
                outcome.state = EndState::Failed;
                outcome.error = Some(no_prompt());
            }
            Awaited::Unknown(error) => {
                tracing::warn!(message.id = %reply.id, error = %causes(&error), "no history");
                outcome.state = EndState::Failed;
                outcome.error = Some(no_history());
            }
        }
    }

    async fn converse(
        &self,
        live: &LiveReply,
        turns: Vec<Turn>,
        prompt_tokens: TokenCount,
        manner: &Manner,
        since: Instant,
        outcome: &mut ReplyOutcome,
    ) {
        let mut watch = Stopwatch::since(since);
        let now = self.clock.now();
        outcome.started_at = Some(now);
        let prompt = Prompt {
            turns,
            language: manner.language.clone(),
            timezone: manner.timezone,
            now,
            faults: manner.faults.clone(),
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

    /// Appends the bot's text to the reply until its stream ends or is stopped. Returns the usage that the bot
    /// reported.
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
                () = live.stopped() => break EndState::Stopped,
                () = self.shutdown.cancelled() => break EndState::Interrupted,
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
                        break EndState::Length;
                    }
                }
                Some(Ok(BotEvent::Reasoning(piece))) => {
                    reasoning.push_str(head(&piece, REASONING_BYTES_MAX - reasoning.len()));
                }
                Some(Ok(BotEvent::Finished { reason, usage })) => {
                    reported = usage;
                    break match reason {
                        FinishReason::Complete => EndState::Complete,
                        FinishReason::Length => EndState::Length,
                    };
                }
                Some(Err(error)) => {
                    let (code, message) = (error.code.to_owned(), error.message.to_owned());
                    outcome.error = Some(ReplyError { code, message });
                    break EndState::Failed;
                }
                None => break EndState::Truncated,
            }
        };
        watch.go_on();
        outcome.reasoning = (!reasoning.is_empty()).then_some(reasoning);
        reported
    }
}

/// The longest prefix of a text that has at most `bytes_max` bytes and ends with a whole character.
fn head(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or_default()
}

/// Measures the time of this server, without the time spent waiting for the bot.
struct Stopwatch {
    own: Duration,
    running_since: Option<Instant>,
}

impl Stopwatch {
    fn since(moment: Instant) -> Self {
        Self {
            own: Duration::ZERO,
            running_since: Some(moment),
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

fn no_prompt() -> ReplyError {
    ReplyError {
        code: "PROMPT_DELETED".to_owned(),
        message: "The message to answer was deleted before its turn came.".to_owned(),
    }
}

fn no_history() -> ReplyError {
    ReplyError {
        code: "UNAVAILABLE".to_owned(),
        message: "The chat's history could not be read. Please try again.".to_owned(),
    }
}

fn internal_error() -> ReplyError {
    ReplyError {
        code: "INTERNAL".to_owned(),
        message: "The reply failed. Please try again.".to_owned(),
    }
}
