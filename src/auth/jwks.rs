//! Keys that an issuer publishes, and changes when it likes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::Header;
use jsonwebtoken::jwk::JwkSet;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::TokenError;
use super::claims::Reading;
use super::keys::Keys;
use crate::config::{AuthConfig, JwksUrl, JwtAlgorithm};
use crate::telemetry::causes::causes;

/// How long one request for the keys may take altogether.
const ASK_MAX: Duration = Duration::from_secs(5);
/// How often the keys are asked for though nothing calls for it: one that is withdrawn is believed no longer than this.
const ASK_EVERY: Duration = Duration::from_secs(600);
/// How soon they are asked for again after that failed.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// How soon they are asked for again because a token names a key that is not among them: anybody can write such a token.
const UNKNOWN_KEY_EVERY: Duration = Duration::from_secs(60);
/// How long keys are believed though their issuer does not answer.
const BELIEVED_MAX: Duration = Duration::from_secs(3600);
/// The most bytes of an answer.
const BYTES_MAX: usize = 256 * 1024;
/// The algorithms that a published key may be for, where the configuration names none. HS256 is not among them: its key
/// is a secret.
const ALGORITHMS: [JwtAlgorithm; 3] = [JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa];

/// Why keys cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum JwksSetupError {
    /// There is no client for it.
    #[error("no client for the keys")]
    Client(#[from] reqwest::Error),
    /// None of the algorithms is one of published keys.
    #[error("--jwks-url has no use with HS256 alone, whose key is a secret")]
    Algorithms,
}

/// Why an answer is not taken. The place of the keys is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
enum AnswerError {
    #[error("the request failed")]
    Request(#[source] reqwest::Error),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer is larger than {BYTES_MAX} bytes")]
    TooLarge,
    #[error("the answer is no set of keys")]
    Malformed(#[source] serde_json::Error),
    #[error("there is no key in it that can be used")]
    Empty,
}

/// The keys of one issuer, as they were last published.
pub struct Jwks {
    url: JwksUrl,
    client: Client,
    algorithms: Vec<JwtAlgorithm>,
    reading: Reading,
    held: RwLock<Held>,
    /// Held by whoever asks, so that one request answers all that wait for it.
    asking: Mutex<()>,
}

#[derive(Default)]
struct Held {
    keys: Arc<Keys>,
    /// When they came; `None` if none ever did, or too long ago.
    came_at: Option<Instant>,
    /// When they were last asked for, whatever came of it.
    asked_at: Option<Instant>,
    /// When they were last asked for because a token named a key that was not among them.
    missed_at: Option<Instant>,
}

impl Jwks {
    pub fn new(place: &JwksUrl, config: &AuthConfig, reading: Reading) -> Result<Self, JwksSetupError> {
        let mut algorithms = ALGORITHMS.to_vec();
        if !config.algorithms.is_empty() {
            algorithms.retain(|algorithm| config.algorithms.contains(algorithm));
        }
        if algorithms.is_empty() {
            return Err(JwksSetupError::Algorithms);
        }
        // Who leads elsewhere is no issuer that anybody configured.
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(ASK_MAX)
            .build()?;
        Ok(Self {
            url: place.clone(),
            client,
            algorithms,
            reading,
            held: RwLock::default(),
            asking: Mutex::default(),
        })
    }

    /// Asks now and from time to time, for ever.
    pub async fn keep(&self) {
        loop {
            let is_fresh = self.ask(Instant::now()).await;
            tokio::time::sleep(if is_fresh { ASK_EVERY } else { ASK_AGAIN }).await;
        }
    }

    /// Asks once, for what the keys are for that can be used; why there are none, if there are none.
    pub async fn probe(&self) -> Result<Vec<JwtAlgorithm>, String> {
        match self.answer().await {
            Ok(keys) => Ok(keys.algorithms()),
            Err(error) => Err(in_words(&error)),
        }
    }

    /// The keys, among which is the one that a token's header asks for if the issuer has published it.
    pub async fn keys_for(&self, header: &Header) -> Result<Arc<Keys>, TokenError> {
        let came = Instant::now();
        if let Some(keys) = self.believed(came).filter(|keys| keys.has(header)) {
            return Ok(keys);
        }
        if self.may_ask(came) {
            self.ask(came).await;
        }
        self.believed(Instant::now()).ok_or(TokenError::NoKeys)
    }

    /// The keys, if there are any, and they are not too old.
    fn believed(&self, now: Instant) -> Option<Arc<Keys>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let came_at = held.came_at?;
        (now.duration_since(came_at) < BELIEVED_MAX).then(|| held.keys.clone())
    }

    /// Whether somebody whose key is not there may have the issuer asked.
    fn may_ask(&self, now: Instant) -> bool {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let is_past = |at: Option<Instant>, pause| at.is_none_or(|at| now.duration_since(at) >= pause);
        match held.came_at {
            // Whoever comes while the issuer is away would otherwise wait for it each time.
            None => is_past(held.asked_at, ASK_MAX),
            Some(_) if is_past(held.missed_at, UNKNOWN_KEY_EVERY) => {
                held.missed_at = Some(now);
                true
            }
            Some(_) => false,
        }
    }

    /// Asks, unless somebody has since `wanted_at`; whether the keys are of the last answer.
    async fn ask(&self, wanted_at: Instant) -> bool {
        let _asking = self.asking.lock().await;
        {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            if held.asked_at.is_some_and(|asked_at| asked_at > wanted_at) {
                return held.came_at >= held.asked_at;
            }
        }
        let answer = self.answer().await;
        let now = Instant::now();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.asked_at = Some(now);
        match answer {
            Ok(keys) => {
                held.keys = Arc::new(keys);
                held.came_at = Some(now);
                true
            }
            Err(error) => {
                tracing::warn!(
                    error = %causes(&error),
                    "the keys of tokens could not be asked for; those from before are kept for an hour"
                );
                false
            }
        }
    }

    async fn answer(&self) -> Result<Keys, AnswerError> {
        let failed = |error: reqwest::Error| AnswerError::Request(error.without_url());
        let mut answer = self.client.get(self.url.as_str()).send().await.map_err(failed)?;
        if answer.status() != StatusCode::OK {
            return Err(AnswerError::Status(answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > BYTES_MAX {
                return Err(AnswerError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let set: Published = serde_json::from_slice(&body).map_err(AnswerError::Malformed)?;
        let keys = Keys::published(&set.known(), &self.algorithms, &self.reading);
        match keys.is_empty() {
            true => Err(AnswerError::Empty),
            false => Ok(keys),
        }
    }
}

/// An error, and the innermost of what led to it, which says it best.
fn in_words(error: &AnswerError) -> String {
    let error: &dyn std::error::Error = error;
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    match causes.last() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A published set. By RFC 7517 keys of kinds that are not known are passed over, not refused.
#[derive(serde::Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

impl Published {
    fn known(self) -> JwkSet {
        let keys = self.keys.into_iter();
        JwkSet {
            keys: keys.filter_map(|key| serde_json::from_value(key).ok()).collect(),
        }
    }
}
