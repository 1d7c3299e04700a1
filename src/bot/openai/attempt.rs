//! One try: the request, the response's head, and the wait for the first piece.

use std::time::Duration;

use futures_util::TryStreamExt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::Answer;
use super::resolver::GuardedResolver;
use super::retry::Failure;
use super::sse::EVENT_BYTES_MAX;
use super::wire::{Chunk, Request, StreamOptions};
use super::{complaint, prompt};
use crate::bot::{BotError, Prompt};
use crate::config::{ApiKey, OpenAiConfig};
use crate::domain::Timestamp;
use crate::telemetry::causes::causes;

/// The most bytes of a refusal that are read, for the log.
const REFUSAL_BYTES_MAX: usize = 2 * 1024;
/// How long a refusal may take to say why.
const REFUSAL_WAIT_MAX: Duration = Duration::from_secs(2);

/// The service, and how we speak to it.
pub struct Upstream {
    client: Client,
    endpoint: String,
    authorization: Option<HeaderValue>,
    config: OpenAiConfig,
}

impl Upstream {
    /// A client of its own: no redirects, because they would carry the key and the prompt elsewhere, and no proxy,
    /// because nobody configured one.
    pub fn new(config: &OpenAiConfig) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(config.timeouts.connect)
            .dns_resolver(std::sync::Arc::new(GuardedResolver))
            .user_agent(concat!("colloquy/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let authorization = config.api_key.as_ref().and_then(authorization);
        Ok(Self {
            client,
            endpoint: config.base_url.join("chat/completions"),
            authorization,
            config: config.clone(),
        })
    }

    /// The model that answers.
    pub fn model(&self) -> &str {
        &self.config.model
    }

    /// The body of the request, the same for each try.
    pub fn request(&self, prompt: &Prompt) -> Result<Vec<u8>, BotError> {
        let request = Request {
            model: self.config.model.clone(),
            messages: prompt::messages(&self.config.system_prompt, prompt),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            max_tokens: self.config.max_tokens,
        };
        serde_json::to_vec(&request).map_err(|_| BotError::PROTOCOL)
    }

    /// Sends the request and waits until something of an answer is there. `now` is the moment, for dates in the
    /// response.
    pub async fn attempt(&self, body: &[u8], now: Timestamp) -> Result<Answer, Failure> {
        let deadline = Instant::now() + self.config.timeouts.first_piece;
        let late = |_| Failure::for_now(BotError::TIMEOUT);
        let response = timeout_at(deadline, self.send(body)).await.map_err(late)??;
        // What a refusal means is known by now, so its body has a time of its own.
        let response = self.accepted(response, now).await?;
        timeout_at(deadline, self.begun(response)).await.map_err(late)?
    }

    /// A request that only reads.
    pub fn get(&self, address: &str) -> RequestBuilder {
        self.authorized(self.client.get(address).header(ACCEPT, "application/json"))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }

    async fn send(&self, body: &[u8]) -> Result<Response, Failure> {
        let request = self
            .client
            .post(&self.endpoint)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json")
            .header(ACCEPT_ENCODING, "identity")
            .body(body.to_vec());
        self.authorized(request).send().await.map_err(|error| {
            let timed_out = error.is_timeout();
            let error = error.without_url();
            tracing::warn!(error = %causes(&error), "the bot's service could not be reached");
            Failure::for_now(if timed_out {
                BotError::TIMEOUT
            } else {
                BotError::UNAVAILABLE
            })
        })
    }

    /// The response, if it is one with an answer in it.
    async fn accepted(&self, response: Response, now: Timestamp) -> Result<Response, Failure> {
        let status = response.status().as_u16();
        if status != 200 {
            let failure = Failure::of_status(status, response.headers(), now);
            let read = read_to(response, REFUSAL_BYTES_MAX);
            let body = match timeout(REFUSAL_WAIT_MAX, read).await {
                Ok(Ok(body) | Err(Unread { body, .. })) => body,
                Err(_) => Vec::new(),
            };
            self.log(&String::from_utf8_lossy(&body), Some(status));
            return Err(failure);
        }
        let encoding = response.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            tracing::warn!("the bot's service answered compressed, which it was asked not to");
            return Err(Failure::for_good(BotError::PROTOCOL));
        }
        Ok(response)
    }

    async fn begun(&self, response: Response) -> Result<Answer, Failure> {
        let media_type = media_type(&response);
        match media_type.as_str() {
            "text/event-stream" => {
                let key = self.config.api_key.clone();
                let mut answer = Answer::of_events(response.bytes_stream(), self.config.timeouts, key);
                answer.begin().await?;
                Ok(answer)
            }
            // Some services do not stream whatever they are asked.
            "application/json" => {
                let body = read_to(response, EVENT_BYTES_MAX)
                    .await
                    .map_err(|unread| match unread.cause {
                        Some(_) => Failure::for_now(BotError::UNAVAILABLE),
                        None => Failure::for_good(BotError::TOO_LARGE),
                    })?;
                let chunk: Chunk =
                    serde_json::from_slice(&body).map_err(|_| Failure::for_good(BotError::PROTOCOL))?;
                let reading = chunk.read();
                if let Some(complaint) = &reading.complaint {
                    self.log(complaint, None);
                } else if !reading.is_answer {
                    return Err(Failure::for_good(BotError::PROTOCOL));
                }
                Ok(Answer::whole(reading))
            }
            _ => {
                tracing::warn!("the bot's service answered with another content type");
                Err(Failure::for_good(BotError::PROTOCOL))
            }
        }
    }

    fn log(&self, words: &str, status: Option<u16>) {
        let upstream = complaint::for_log(words, self.config.api_key.as_ref());
        tracing::warn!(status, upstream, "the bot's service refused");
    }
}

fn authorization(key: &ApiKey) -> Option<HeaderValue> {
    let bearer = format!("Bearer {}", key.secret().expose_secret());
    // A key that no header can carry is no key by its own rules, so this cannot fail.
    let mut value = HeaderValue::from_str(&bearer).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn media_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("");
    media_type.trim().to_ascii_lowercase()
}

/// A body that was not read to its end: it is too large, or there is a cause.
pub struct Unread {
    body: Vec<u8>,
    cause: Option<reqwest::Error>,
}

/// The body of a response, unless it is larger than `bytes_max`.
pub async fn read_to(response: Response, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    loop {
        match chunks.try_next().await {
            Ok(Some(chunk)) => {
                let room = bytes_max - body.len();
                body.extend(chunk.iter().take(room));
                if chunk.len() > room {
                    return Err(Unread { body, cause: None });
                }
            }
            Ok(None) => return Ok(body),
            Err(error) => {
                let cause = Some(error);
                return Err(Unread { body, cause });
            }
        }
    }
}
