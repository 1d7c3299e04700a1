//! A bot behind any service that speaks OpenAI's Chat Completions protocol.
//!
//! One try is in `attempt`, when there is another in `retry`, what comes back in `answer`, which reads `sse`, which
//! carries `wire`.

mod answer;
mod attempt;
mod complaint;
mod probe;
mod prompt;
mod resolver;
mod retry;
pub mod sse;
mod wire;

use std::sync::Arc;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};

use super::{Bot, BotError, BotEvent, Prompt};
use crate::config::OpenAiConfig;

use attempt::Upstream;
pub use probe::Probed;

/// The most bytes of one piece: an upstream that sends more at once is passed on in several.
pub const PIECE_BYTES_MAX: usize = 16 * 1024;

/// A bot behind an OpenAI-compatible service.
#[derive(Clone)]
pub struct OpenAiBot(Arc<Upstream>);

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the client for the bot's service could not be set up")]
pub struct OpenAiSetupError(#[source] reqwest::Error);

impl OpenAiBot {
    /// A bot that asks the service of this configuration, which is valid.
    pub fn new(config: &OpenAiConfig) -> Result<Self, OpenAiSetupError> {
        let upstream = Upstream::new(config).map_err(OpenAiSetupError)?;
        Ok(Self(Arc::new(upstream)))
    }
}

impl Bot for OpenAiBot {
    fn model(&self) -> &str {
        self.0.model()
    }

    fn reply(&self, prompt: Prompt) -> BoxStream<'static, Result<BotEvent, BotError>> {
        let upstream = self.0.clone();
        async move { retry::open(&upstream, &prompt).await }
            .map(|opened| match opened {
                Ok(answer) => answer.into_events().boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .flatten_stream()
            .boxed()
    }
}
