//! A server as a client sees it: where it is, what it is told with each request, and how long to wait for it.

use std::net::SocketAddr;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};
use graphql_client::{GraphQLQuery, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use url::Url;

use super::error::{ClientError, root_cause};

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long an answer may take: longer than a server waits for its store.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The first pause after a failure, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// With these pauses some half a minute: a server that restarts is back before.
const TRIES_MAX: usize = 10;
/// Where GraphQL is below a base address.
const PATH: &str = "/graphql";
/// What a server says to whoever brings no token that it takes.
const UNAUTHENTICATED: &str = "UNAUTHENTICATED";

/// Why an address or a header is none. Says neither: both may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Not an address of a server.
    #[error("the URL is not http:// or https:// with a host")]
    Url,
    /// A user or a password in the address, where everybody on the machine can read them and logs repeat them.
    #[error("a URL with a user or a password is not taken; use --header 'Authorization: …'")]
    Credential,
    /// Not a token.
    #[error("COLLOQUY_TOKEN holds no token: it is one word, without 'Bearer' before it")]
    Token,
    /// Not a header.
    #[error("--header takes 'NAME: VALUE'")]
    Header,
    /// The machine has no randomness, or TLS cannot be set up.
    #[error("cannot set up connections")]
    Client(#[from] reqwest::Error),
}

/// A server and how to talk to it.
pub struct Server {
    /// For requests.
    client: reqwest::Client,
    /// For sockets, whose handshake is one of HTTP/1.1.
    pub(super) socket_client: reqwest::Client,
    pub(super) url: Url,
    /// The address without what may be secret in it.
    place: String,
    /// The payload of `connection_init`: the headers once more, for servers and proxies that look there.
    pub(super) init: Map<String, Value>,
    /// Whether there is something in them that says who calls.
    shows_token: bool,
    answer_max: Duration,
}

impl Server {
    /// The server at an endpoint or a base address, with headers as `NAME: VALUE`, and the token to show it unless one of
    /// them brings another.
    pub fn new(url: &str, headers: &[String], token: Option<&str>) -> Result<Self, ServerError> {
        let url = endpoint(url)?;
        let mut sent = HeaderMap::new();
        let mut init = Map::new();
        for header in headers {
            let (name, value) = header.split_once(':').ok_or(ServerError::Header)?;
            let (name, value) = (name.trim(), value.trim());
            let key = HeaderName::try_from(name).map_err(|_| ServerError::Header)?;
            sent.append(key, sensitive(value).ok_or(ServerError::Header)?);
            init.insert(name.to_owned(), Value::String(value.to_owned()));
        }
        if let Some(token) = token.filter(|_| !sent.contains_key(AUTHORIZATION)) {
            let token = token.trim();
            let is_word = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
            let authorization = format!("Bearer {token}");
            let worth = sensitive(&authorization).filter(|_| is_word);
            sent.insert(AUTHORIZATION, worth.ok_or(ServerError::Token)?);
            init.insert("Authorization".to_owned(), Value::String(authorization));
        }
        let shows_token = sent.contains_key(AUTHORIZATION);
        let client = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_MAX)
                .default_headers(sent.clone())
                // A redirect would carry the credentials to wherever it points.
                .redirect(reqwest::redirect::Policy::none())
        };
        let mut place = url.clone();
        place.set_query(None);
        Ok(Self {
            client: client().build()?,
            socket_client: client().http1_only().build()?,
            url,
            place: place.into(),
            init,
            shows_token,
            answer_max: ANSWER_MAX,
        })
    }

    /// A server of this machine, asked directly whatever proxy the environment names, and given `answer_max` for each
    /// connection and each answer.
    pub fn local(address: SocketAddr, answer_max: Duration) -> Result<Self, ServerError> {
        let client = || {
            reqwest::Client::builder()
                .connect_timeout(answer_max)
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
        };
        let url = endpoint(&format!("http://{address}"))?;
        Ok(Self {
            client: client().build()?,
            socket_client: client().http1_only().build()?,
            place: url.clone().into(),
            url,
            init: Map::new(),
            shows_token: false,
            answer_max,
        })
    }

    /// The address without what may be secret in it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Asks once.
    pub async fn ask<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
    ) -> Result<Q::ResponseData, ClientError> {
        self.post::<Q>(&body::<Q>(variables)?).await
    }

    /// Asks until there is an answer or patience has ended: for what may be heard twice without harm.
    pub async fn insist<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
    ) -> Result<Q::ResponseData, ClientError> {
        let body = body::<Q>(variables)?;
        (|| self.post::<Q>(&body))
            .retry(patience_builder())
            .when(ClientError::is_passing)
            .await
    }

    async fn post<Q: GraphQLQuery>(&self, body: &str) -> Result<Q::ResponseData, ClientError> {
        let request = self
            .client
            .post(self.url.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .header(
                reqwest::header::ACCEPT,
                "application/graphql-response+json, application/json;q=0.9",
            )
            .timeout(self.answer_max)
            .body(body.to_owned());
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        let status = response.status();
        let answer = response.bytes().await.map_err(|error| self.lost(&error))?;
        match serde_json::from_slice::<Response<Q::ResponseData>>(&answer) {
            Ok(response) => self.data_of(response),
            // What stands before a server answers so while that is away.
            Err(_) if status.is_server_error() => Err(self.lost_because(status)),
            Err(_) if !status.is_success() => Err(self.strange(status)),
            Err(error) => Err(self.strange(error)),
        }
    }

    /// The data of a response, if it has some and no errors.
    pub fn data_of<D>(&self, response: Response<D>) -> Result<D, ClientError> {
        if let Some(refusal) = response.errors.as_deref().and_then(ClientError::refused) {
            return Err(match refusal.code() {
                Some(UNAUTHENTICATED) => self.not_let_in(),
                _ => refusal,
            });
        }
        let data = response.data;
        data.ok_or_else(|| self.strange("its answer has neither data nor errors"))
    }

    /// The server asks for a token, or for another one.
    pub fn not_let_in(&self) -> ClientError {
        let place = self.place.clone();
        match self.shows_token {
            true => ClientError::TokenRefused { place },
            false => ClientError::NoToken { place },
        }
    }

    /// The connection failed.
    pub fn lost(&self, error: &dyn std::error::Error) -> ClientError {
        self.lost_because(root_cause(error))
    }

    /// The connection failed, and why.
    pub fn lost_because(&self, reason: impl ToString) -> ClientError {
        ClientError::Lost {
            place: self.place.clone(),
            reason: reason.to_string(),
        }
    }

    /// The server speaks something else.
    pub fn strange(&self, reason: impl ToString) -> ClientError {
        ClientError::Strange {
            place: self.place.clone(),
            reason: reason.to_string(),
        }
    }
}

/// The pauses to make while a server is away: longer and longer, and not for ever.
pub fn patience() -> ExponentialBackoff {
    patience_builder().build()
}

fn patience_builder() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(PAUSE_MIN)
        .with_max_delay(PAUSE_MAX)
        .with_max_times(TRIES_MAX)
        .with_jitter()
}

fn body<Q: GraphQLQuery>(variables: Q::Variables) -> Result<String, ClientError> {
    Ok(serde_json::to_string(&Q::build_query(variables))?)
}

/// A header that is shown to the server and to nobody else.
fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn endpoint(text: &str) -> Result<Url, ServerError> {
    let mut url = Url::parse(text).map_err(|_| ServerError::Url)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(ServerError::Url);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ServerError::Credential);
    }
    if url.path() == "/" {
        url.set_path(PATH);
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_base_address_stands_for_the_endpoint_below_it() {
        for (given, url) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/graphql"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/graphql"),
            (
                "https://chat.example/api/graphql?x=1#y",
                "https://chat.example/api/graphql?x=1",
            ),
        ] {
            assert_eq!(endpoint(given).unwrap().as_str(), url);
        }
    }

    #[test]
    fn no_complaint_repeats_what_may_be_secret() {
        for (url, header) in [
            ("ftp://secret", "A: b"),
            ("secret", "A: b"),
            ("http://user:secret@host", "A: b"),
            ("http://host", "secret"),
            ("http://host", "Authori zation: secret"),
            ("http://host", "Authorization: secret\n"),
        ] {
            let Err(error) = Server::new(url, &[header.to_owned()], None) else {
                assert_eq!(header, "Authorization: secret\n");
                continue;
            };
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let headers = ["authorization: secret".to_owned()];
        let server = Server::new("http://host/?key=secret", &headers, Some("another")).unwrap();
        assert_eq!(server.place, "http://host/graphql");
        assert_eq!(json!(server.init), json!({ "authorization": "secret" }));
    }

    #[test]
    fn a_token_is_one_word_and_goes_where_servers_look_for_it() {
        let server = Server::new("http://host", &[], Some("a.b.c\n")).unwrap();
        assert_eq!(json!(server.init), json!({ "Authorization": "Bearer a.b.c" }));
        for token in ["", "Bearer secret", "secret\nsecret", "secret\u{e4}"] {
            let error = Server::new("http://host", &[], Some(token)).err().unwrap();
            assert!(matches!(error, ServerError::Token), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
