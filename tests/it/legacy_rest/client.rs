//! A client of the REST API.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// A server and one who talks to it.
pub struct Client {
    /// The server.
    pub server: Server,
    http: reqwest::Client,
    prefix: &'static str,
}

/// What was answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// The body of a success.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The body, whatever the status.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    /// The status with the body.
    pub fn both(&self) -> (u16, Value) {
        (self.status, self.json())
    }
}

impl Client {
    /// A client of a new server.
    pub fn start(scratch: &Scratch) -> Self {
        Self::start_with(scratch, &[])
    }

    /// A client of a new server with further arguments.
    pub fn start_with(scratch: &Scratch, arguments: &[&str]) -> Self {
        let arguments = [&["--builtin-pace", "0"], arguments].concat();
        Self {
            server: Server::start_thrifty(scratch, &arguments),
            http: reqwest::Client::new(),
            prefix: "",
        }
    }

    /// Calls the routes below another prefix from now on.
    pub fn below(&mut self, prefix: &'static str) {
        self.prefix = prefix;
    }

    /// Sends a request.
    pub async fn send(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Response {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = self.server.at(&format!("{}{path}", self.prefix));
        let mut request = self.http.request(method, url);
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        request.send().await.unwrap()
    }

    /// Sends a request with a body of any text, said to be JSON.
    pub async fn raw(&self, method: &str, path: &str, body: &str) -> Answer {
        let body = Some(("application/json", body.as_bytes().to_vec()));
        read(self.send(method, path, body).await).await
    }

    /// Sends JSON.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.raw(method, path, &body.to_string()).await
    }

    /// Sends a request without a body.
    pub async fn bare(&self, method: &str, path: &str) -> Answer {
        read(self.send(method, path, None).await).await
    }

    /// Reads what must be there.
    pub async fn get(&self, path: &str) -> Value {
        self.bare("GET", path).await.ok()
    }

    /// Makes a chat and returns its id.
    pub async fn chat(&self, body: Value) -> String {
        let made = self.call("POST", "/chat/", body).await.ok();
        made["chat_id"].as_str().unwrap().to_owned()
    }

    /// Makes a chat of user 1.
    pub async fn any_chat(&self) -> String {
        self.chat(json!({ "user_id": 1, "title": "A chat" })).await
    }

    /// Stores a message and returns its id.
    pub async fn message(&self, chat: &str, body: Value) -> String {
        let made = self
            .call("POST", &format!("/chat/{chat}/messages"), body)
            .await
            .ok();
        made["message_id"].as_str().unwrap().to_owned()
    }
}

/// Reads a response.
pub async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").cloned();
    let text = response.text().await.unwrap();
    if !text.is_empty() {
        assert_eq!(kind.unwrap(), "application/json", "{text}");
    }
    Answer { status, text }
}

/// A text with everything that changes from run to run made the same: ids and date-times.
pub fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (before, after) = rest.split_at(quote + 1);
        let end = after.find('"').unwrap_or(after.len());
        let (word, behind) = after.split_at(end);
        masked.push_str(before);
        masked.push_str(match word {
            word if word.len() == 24 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => "ID",
            word if is_date_time(word) => "TIME",
            word => word,
        });
        rest = behind;
        if let Some(behind) = rest.strip_prefix('"') {
            masked.push('"');
            rest = behind;
        }
    }
    masked + rest
}

/// Whether a text is a documented date-time: naive, with six digits of a second or none, the last three zero.
pub fn is_date_time(text: &str) -> bool {
    let form = match text.len() {
        19 => "0000-00-00T00:00:00",
        26 => "0000-00-00T00:00:00.000000",
        _ => return false,
    };
    let fits = |(found, form): (char, char)| match form {
        '0' => found.is_ascii_digit(),
        mark => found == mark,
    };
    text.chars().zip(form.chars()).all(fits) && (text.len() == 19 || text.ends_with("000"))
}
