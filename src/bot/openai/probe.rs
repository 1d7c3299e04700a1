//! A cheap question to the service, which costs nobody anything: is it there, and does it know us?

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;

use super::attempt::{Upstream, read_to};
use super::{OpenAiBot, OpenAiSetupError};
use crate::config::OpenAiConfig;

/// How long the service may take: whoever asks is looking at the screen.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(5);
/// The most bytes of a list of models that are read: the longest known has some hundred kilobytes.
const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It is there, and knows us.
    Answered {
        /// Whether its list has the model; `None` if it has no list that could be read.
        has_model: Option<bool>,
    },
    /// It is there, and answered with another status than 200.
    Refused(u16),
    /// It could not be connected to; why, in the words of this machine.
    Unreachable(String),
    /// It did not answer in time.
    Silent,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl OpenAiBot {
    /// Asks the service of this configuration for its list of models.
    pub async fn probe(config: &OpenAiConfig) -> Result<Probed, OpenAiSetupError> {
        let upstream = Upstream::new(config).map_err(OpenAiSetupError)?;
        let probed = timeout(PROBE_WAIT_MAX, ask(&upstream, config)).await;
        Ok(probed.unwrap_or(Probed::Silent))
    }
}

async fn ask(upstream: &Upstream, config: &OpenAiConfig) -> Probed {
    let response = match upstream.get(&config.base_url.join("models")).send().await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Probed::Silent,
        Err(error) => return Probed::Unreachable(innermost(&error.without_url())),
    };
    if response.status() != StatusCode::OK {
        return Probed::Refused(response.status().as_u16());
    }
    let models = read_to(response, LIST_BYTES_MAX).await.ok();
    let models = models.and_then(|body| serde_json::from_slice::<Models>(&body).ok());
    Probed::Answered {
        has_model: models.map(|models| models.data.iter().any(|model| model.id == config.model)),
    }
}

/// What is at the bottom of an error: what lies above it says little more than that there was one.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
