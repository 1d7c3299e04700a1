//! One reply, from its turn to its end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Engine, HISTORY_TURNS_MAX, LiveReply, REPLY_BYTES_MAX};
use crate::bot::{BotEvent, Prompt, Turn};
use crate::domain::{
    FinishReason, LanguageTag, Message, MessageFilter, PageRequest, Position, ReplyError, ReplyOutcome,
    ReplyState, TokenCount, Usage,
};
use crate::store::StoreError;

/// How long the terminal write is tried again while the store is away.
const FINISH_TRIES_MAX: u32 = 60;
/// The longest wait between two such tries.
const FINISH_WAIT_MAX: Duration = Duration::from_secs(5);
/// Bytes of text that one token stands for in an estimate: a common rule of thumb for English.
const BYTES_PER_TOKEN: usize = 4;

impl Engine {
    /// Generates the reply and returns it as it is stored.
    pub(super) async fn generate(
        self: &Arc<Self>,
        reply: &Message,
        live: &Arc<LiveReply>,
        turn: Arc<Semaphore>,
        language: Option<LanguageTag>,
    ) -> Message {
        let done = CancellationToken::new();
        let beat = {
            let (engine, live, done, id) = (self.clone(), live.clone(), done.clone(), reply.id);
            tokio::spawn(async move { engine.beat(id, &live, done).await })
        };
        let mut outcome = self.outcome(ReplyState::Interrupted);
        // The permit is held to the end of this function: the next reply's history includes this one.
        let _permit = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            () = live.stop_requested() => { outcome.state = ReplyState::Stopped; None }
            permit = turn.acquire_owned() => match permit {
                Ok(permit) => {
                    // A panicking bot must end its reply like any other that fails.
                    let talk = AssertUnwindSafe(self.converse(reply, live, language, &mut outcome));
                    if talk.catch_unwind().await.is_err() {
                        outcome.state = ReplyState::Failed;
                        outcome.error = Some(internal_error());
                    }
                    Some(permit)
                }
                Err(_) => None,
            }
        };
        done.cancel();
        // The beat ends by itself; that it panicked changes nothing for the end.
        let _ = beat.await;
        outcome.text = Some(live.text());
        outcome.finished_at = self.clock.now();
        self.finish(reply, outcome).await
    }

    async fn converse(
        &self,
        reply: &Message,
        live: &LiveReply,
        language: Option<LanguageTag>,
        outcome: &mut ReplyOutcome,
    ) {
        let turns = match self.history(reply).await {
            Ok(turns) => turns,
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
        let prompt_bytes = turns.iter().map(|turn| turn.text.len()).sum();
        outcome.started_at = Some(self.clock.now());
        let mut events = self.bot.reply(Prompt {
            turns,
            language,
            timezone: None,
            now: self.clock.now(),
            faults: None,
        });
        let mut reported = None;
        outcome.state = loop {
            let event = tokio::select! {
                biased;
                () = live.stop_requested() => break ReplyState::Stopped,
                () = self.shutdown.cancelled() => break ReplyState::Interrupted,
                event = events.next() => event,
            };
            match event {
                Some(Ok(BotEvent::Piece(piece))) => {
                    outcome.first_piece_at.get_or_insert_with(|| self.clock.now());
                    let room = REPLY_BYTES_MAX - live.length();
                    live.append(piece.get(..piece.floor_char_boundary(room)).unwrap_or(&piece));
                    if piece.len() > room {
                        break ReplyState::Length;
                    }
                }
                Some(Ok(BotEvent::Reasoning(_))) => continue,
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
        outcome.usage = reported.or_else(|| {
            Some(Usage {
                prompt: estimate(prompt_bytes),
                completion: estimate(live.length()),
            })
        });
    }

    /// The chat's latest turns before this reply, oldest first.
    async fn history(&self, reply: &Message) -> Result<Vec<Turn>, StoreError> {
        let before = Position {
            at: reply.created_at,
            id: reply.id.0,
        };
        let request = PageRequest {
            before: Some(before),
            ..PageRequest::last(HISTORY_TURNS_MAX)
        };
        let chats = [reply.chat_id];
        let mut pages = self
            .store
            .message_pages(&chats, &MessageFilter::default(), &request)
            .await?;
        let messages = pages
            .remove(&reply.chat_id)
            .map(|page| page.items)
            .unwrap_or_default();
        Ok(messages
            .into_iter()
            .map(|message| Turn {
                author: message.author,
                text: message.text,
            })
            .collect())
    }

    /// Writes the end, again and again while the store is away. If somebody else ended the reply before, theirs is
    /// the end.
    async fn finish(&self, reply: &Message, outcome: ReplyOutcome) -> Message {
        let mut wait = Duration::from_millis(100);
        for _ in 0..FINISH_TRIES_MAX {
            let written = match self
                .store
                .finish_reply(reply.id, Some(&self.owner), &outcome)
                .await
            {
                Ok(Some(message)) => return message,
                Ok(None) => self
                    .store
                    .messages(&[reply.id])
                    .await
                    .map(|mut found| found.pop()),
                Err(error) => Err(error),
            };
            match written {
                Ok(Some(message)) => return message,
                // Deleted meanwhile: its readers still get the end.
                Ok(None) => break,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(message.id = %reply.id, error, "the end of a reply could not be stored yet");
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(FINISH_WAIT_MAX);
        }
        ended(reply.clone(), outcome)
    }
}

/// The message that an outcome makes of a streaming one, where no store can say it.
fn ended(mut message: Message, outcome: ReplyOutcome) -> Message {
    message.text = outcome.text.unwrap_or(message.text);
    message.updated_at = outcome.finished_at;
    message.token_count = outcome.usage.map(|usage| usage.completion);
    if let Some(reply) = &mut message.reply {
        reply.state = outcome.state;
        reply.usage = outcome.usage;
        reply.started_at = outcome.started_at;
        reply.first_piece_at = outcome.first_piece_at;
        reply.finished_at = Some(outcome.finished_at);
        reply.error = outcome.error;
    }
    message
}

fn estimate(bytes: usize) -> TokenCount {
    let tokens = i64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(i64::MAX);
    TokenCount {
        tokens,
        is_estimated: true,
    }
}

fn internal_error() -> ReplyError {
    ReplyError {
        code: "INTERNAL".to_owned(),
        message: "The reply failed. Please try again.".to_owned(),
    }
}
