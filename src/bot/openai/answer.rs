//! An answer that has begun: its pieces, and what its end means.

use std::collections::VecDeque;
use std::time::Duration;

use eventsource_stream::Event;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::complaint;
use super::retry::Failure;
use super::sse::{self, SseError};
use super::wire::{Chunk, End, Reading};
use crate::bot::{BotError, BotEvent};
use crate::config::{ApiKey, UpstreamTimeouts};
use crate::domain::{FinishReason, Usage};
use crate::telemetry::causes::causes;

/// How long the cost is waited for once the answer is complete.
const USAGE_WAIT_MAX: Duration = Duration::from_secs(2);
/// What the last event says instead of JSON.
const DONE: &str = "[DONE]";

type Events = BoxStream<'static, Result<Event, SseError<reqwest::Error>>>;

/// An answer that has begun.
pub struct Answer {
    /// The connection, until nothing more is expected of it. Dropping it closes it.
    events: Option<Events>,
    ready: VecDeque<BotEvent>,
    usage: Option<Usage>,
    end: Option<End>,
    timeouts: UpstreamTimeouts,
    /// When all of it has to be here.
    deadline: Instant,
    /// To find it in the upstream's words.
    api_key: Option<ApiKey>,
    has_seen_event: bool,
}

/// Why the events cannot be read on.
enum Trouble {
    /// The connection broke, which before the first piece is worth another try.
    Broken,
    /// What came cannot be used.
    Bad(BotError),
}

impl Answer {
    /// An answer that comes as events.
    pub fn of_events<B, E>(bytes: E, timeouts: UpstreamTimeouts, api_key: Option<ApiKey>) -> Self
    where
        E: Stream<Item = Result<B, reqwest::Error>> + Send + 'static,
        B: AsRef<[u8]> + Send + 'static,
    {
        Self {
            events: Some(sse::events(bytes).boxed()),
            ready: VecDeque::new(),
            usage: None,
            end: None,
            timeouts,
            deadline: Instant::now() + timeouts.reply,
            api_key,
            has_seen_event: false,
        }
    }

    /// An answer that came whole. One that does not say how it ended has ended well: all of it is here.
    pub fn whole(reading: Reading) -> Self {
        Self {
            events: None,
            ready: reading.events.into(),
            usage: reading.usage,
            end: reading.end.or(Some(End::Finished(FinishReason::Complete))),
            timeouts: UpstreamTimeouts::default(),
            deadline: Instant::now(),
            api_key: None,
            has_seen_event: true,
        }
    }

    /// Waits for something of the answer. Only as long as this fails may the prompt be sent again.
    pub async fn begin(&mut self) -> Result<(), Failure> {
        self.read_on().await.map_err(|trouble| match trouble {
            Trouble::Broken => Failure::for_now(BotError::UNAVAILABLE),
            Trouble::Bad(error) => Failure::for_good(error),
        })?;
        if !self.has_seen_event {
            // An event stream without an event.
            return Err(Failure::for_good(BotError::PROTOCOL));
        }
        self.deadline = Instant::now() + self.timeouts.reply;
        Ok(())
    }

    /// Its pieces, then its end; without an end if it breaks off.
    pub fn into_events(self) -> impl Stream<Item = Result<BotEvent, BotError>> + Send {
        stream::unfold(Some(self), |answer| async {
            let mut answer = answer?;
            let event = answer.next().await?;
            let is_last = matches!(event, Err(_) | Ok(BotEvent::Finished { .. }));
            Some((event, (!is_last).then_some(answer)))
        })
    }

    async fn next(&mut self) -> Option<Result<BotEvent, BotError>> {
        if self.ready.is_empty() && self.end.is_none() {
            // Only pieces count: comments and empty events can be sent for ever.
            let until = self.deadline.min(Instant::now() + self.timeouts.stall);
            match timeout_at(until, self.read_on()).await {
                Ok(Ok(())) => {}
                // It broke off, as at an end of the stream that comes too early.
                Ok(Err(Trouble::Broken)) => return None,
                Ok(Err(Trouble::Bad(error))) => return Some(Err(error)),
                Err(_) => return Some(Err(BotError::TIMEOUT)),
            }
        }
        if let Some(event) = self.ready.pop_front() {
            return Some(Ok(event));
        }
        match self.end? {
            End::Failed(error) => Some(Err(error)),
            End::Finished(reason) => {
                // What goes wrong behind the end takes nothing from the answer.
                let _ = timeout(USAGE_WAIT_MAX, self.read_usage()).await;
                Some(Ok(BotEvent::Finished {
                    reason,
                    usage: self.usage,
                }))
            }
        }
    }

    /// Reads until there is something to hand on, or an end of either kind.
    async fn read_on(&mut self) -> Result<(), Trouble> {
        while self.ready.is_empty() && self.end.is_none() {
            let Some(reading) = self.read_event().await? else {
                break;
            };
            self.ready.extend(reading.events);
            self.end = reading.end;
            if self.end.is_some() && reading.usage.is_some() {
                self.events = None;
            }
        }
        Ok(())
    }

    /// Reads on behind the end, until the cost is told or the stream ends.
    async fn read_usage(&mut self) -> Result<(), Trouble> {
        while let Some(reading) = self.read_event().await? {
            if reading.usage.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The next event, understood; `None` when nothing more comes.
    async fn read_event(&mut self) -> Result<Option<Reading>, Trouble> {
        let Some(events) = &mut self.events else {
            return Ok(None);
        };
        let Some(event) = events.next().await else {
            self.events = None;
            return Ok(None);
        };
        let event = event.map_err(trouble)?;
        self.has_seen_event = true;
        if event.data.trim() == DONE {
            self.events = None;
            return Ok(Some(Reading {
                end: Some(End::Finished(FinishReason::Complete)),
                ..Reading::default()
            }));
        }
        let reading = match serde_json::from_str::<Chunk>(&event.data) {
            Ok(chunk) => chunk.read(),
            Err(_) if event.event == "error" => Reading {
                end: Some(End::Failed(BotError::FAILED)),
                complaint: Some(event.data),
                ..Reading::default()
            },
            Err(error) => {
                // Where it went wrong, but not at what: that may be somebody's text.
                let (line, column) = (error.line(), error.column());
                tracing::warn!(
                    line,
                    column,
                    "the bot's service sent an event that cannot be read"
                );
                return Err(Trouble::Bad(BotError::PROTOCOL));
            }
        };
        if let Some(complaint) = &reading.complaint {
            let upstream = complaint::for_log(complaint, self.api_key.as_ref());
            tracing::warn!(upstream, "the bot's service reported an error");
        }
        self.usage = reading.usage.or(self.usage);
        Ok(Some(reading))
    }
}

fn trouble(error: SseError<reqwest::Error>) -> Trouble {
    let (error, trouble) = match error {
        SseError::Transport(error) => {
            let error = SseError::Transport(error.without_url());
            (error, Trouble::Broken)
        }
        SseError::TooLarge => (error, Trouble::Bad(BotError::TOO_LARGE)),
        SseError::Malformed => (error, Trouble::Bad(BotError::PROTOCOL)),
    };
    tracing::warn!(error = %causes(&error), "the bot's service broke off");
    trouble
}
