//! A reply: a bot's message in the making. Under one id its text only ever grows.

use super::{MessageId, Timestamp, Usage, UserId};

/// Where a reply stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyState {
    /// It waits for its turn, or its text grows. Every other state is final.
    Streaming,
    /// The bot said all it had to say.
    Complete,
    /// The bot was cut off at the longest reply allowed.
    Length,
    /// Somebody stopped it.
    Stopped,
    /// The bot's stream broke off without an end.
    Truncated,
    /// The bot refused or failed.
    Failed,
    /// The server that generated it died or was shut down.
    Interrupted,
}

impl ReplyState {
    /// Every state, in the order above.
    pub const ALL: [Self; 7] = [
        Self::Streaming,
        Self::Complete,
        Self::Length,
        Self::Stopped,
        Self::Truncated,
        Self::Failed,
        Self::Interrupted,
    ];

    /// Whether the reply has ended; a final state never changes.
    pub fn is_final(self) -> bool {
        self != Self::Streaming
    }

    /// The name that the store and the API use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Streaming => "STREAMING",
            Self::Complete => "COMPLETE",
            Self::Length => "LENGTH",
            Self::Stopped => "STOPPED",
            Self::Truncated => "TRUNCATED",
            Self::Failed => "FAILED",
            Self::Interrupted => "INTERRUPTED",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// How a reply ended: every state but [`ReplyState::Streaming`], so that an end can never say that it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndState {
    /// See [`ReplyState::Complete`].
    Complete,
    /// See [`ReplyState::Length`].
    Length,
    /// See [`ReplyState::Stopped`].
    Stopped,
    /// See [`ReplyState::Truncated`].
    Truncated,
    /// See [`ReplyState::Failed`].
    Failed,
    /// See [`ReplyState::Interrupted`].
    Interrupted,
}

impl From<EndState> for ReplyState {
    fn from(end: EndState) -> Self {
        match end {
            EndState::Complete => Self::Complete,
            EndState::Length => Self::Length,
            EndState::Stopped => Self::Stopped,
            EndState::Truncated => Self::Truncated,
            EndState::Failed => Self::Failed,
            EndState::Interrupted => Self::Interrupted,
        }
    }
}

impl EndState {
    /// The name that the store and the API use.
    pub fn name(self) -> &'static str {
        ReplyState::from(self).name()
    }
}

/// What to do with a prompt that comes while a reply of the same chat is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhileReplying {
    /// Answer it when the others have ended.
    #[default]
    Queue,
    /// Stop the others, and answer it.
    Interrupt,
    /// Refuse it.
    Reject,
}

/// Why a bot ended its reply by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It had said everything.
    Complete,
    /// It reached the longest reply allowed.
    Length,
}

/// A wish that a reply stop. The first one counts; later ones change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopRequest {
    /// When it was made.
    pub at: Timestamp,
    /// The user who made it.
    pub by: UserId,
}

/// Why a reply failed: a stable code, and a fixed sentence for people. Never the upstream's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyError {
    /// One of the codes in `docs/errors.md`.
    pub code: String,
    /// What to tell a person.
    pub message: String,
}

/// How a bot's message came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where it stands.
    pub state: ReplyState,
    /// The user's message that it answers.
    pub in_reply_to: Option<MessageId>,
    /// The server process that generates it; of a reply that ended, the one that did.
    pub owner: String,
    /// Until when the owner vouches for it, by the clock of the store; whoever finds this past may end the reply.
    pub lease_until: Timestamp,
    /// Who asked for it to stop, and when.
    pub stop: Option<StopRequest>,
    /// The reply that this one was made in place of.
    pub regenerates: Option<MessageId>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// What it cost; known when it has ended.
    pub usage: Option<Usage>,
    /// When the bot was called, or `None` while the reply waits for its turn.
    pub started_at: Option<Timestamp>,
    /// When its first piece came.
    pub first_piece_at: Option<Timestamp>,
    /// When the bot's stream was closed, by either side.
    pub upstream_closed_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What Colloquy itself took of the time between its turn and its end, in microseconds: all but the waiting for
    /// the bot.
    pub overhead_us: Option<i64>,
    /// What the model thought before it spoke, where it told.
    pub reasoning: Option<String>,
    /// Why it failed.
    pub error: Option<ReplyError>,
}

/// The end of a reply: what one atomic write stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyOutcome {
    /// The final state. Where a stop is stored by the time of the end, the reply ends as stopped whatever this says.
    pub state: EndState,
    /// The whole text; `None` keeps what the last checkpoint stored.
    pub text: Option<String>,
    /// The wish that ended it, if there was one; it does not replace one that is stored.
    pub stop: Option<StopRequest>,
    /// What it cost.
    pub usage: Option<Usage>,
    /// When the bot was called.
    pub started_at: Option<Timestamp>,
    /// When its first piece came.
    pub first_piece_at: Option<Timestamp>,
    /// When the bot's stream was closed.
    pub upstream_closed_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// See [`Reply::overhead_us`].
    pub overhead_us: Option<i64>,
    /// See [`Reply::reasoning`].
    pub reasoning: Option<String>,
    /// Why it failed.
    pub error: Option<ReplyError>,
}

impl Reply {
    /// A reply that has begun, of which nothing more is known.
    pub const fn begun(owner: String, lease_until: Timestamp) -> Self {
        Self {
            state: ReplyState::Streaming,
            in_reply_to: None,
            owner,
            lease_until,
            stop: None,
            regenerates: None,
            model: None,
            usage: None,
            started_at: None,
            first_piece_at: None,
            upstream_closed_at: None,
            finished_at: None,
            overhead_us: None,
            reasoning: None,
            error: None,
        }
    }
}

impl ReplyOutcome {
    /// An end in `state` at `finished_at` that keeps the stored text, and of which nothing more is known.
    pub const fn bare(state: EndState, finished_at: Timestamp) -> Self {
        Self {
            state,
            text: None,
            stop: None,
            usage: None,
            started_at: None,
            first_piece_at: None,
            upstream_closed_at: None,
            finished_at,
            overhead_us: None,
            reasoning: None,
            error: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_by_its_name_and_only_streaming_is_not_final() {
        for state in ReplyState::ALL {
            assert_eq!(ReplyState::from_name(state.name()), Some(state));
            assert_eq!(state.is_final(), state != ReplyState::Streaming);
        }
        assert_eq!(ReplyState::from_name("streaming"), None);
    }
}
