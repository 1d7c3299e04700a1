//! A server that asks for tokens, and what it answers.

use std::collections::BTreeMap;

use reqwest::RequestBuilder;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::callers::{Caller, Cast, Things};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::tokens::SECRET;

/// A word of the owner's that no answer to a stranger may hold.
pub const SECRET_WORD: &str = "xyzzy";

/// What a chat is, as far as anybody could change it.
const STATE: &str =
    "query ($id: ID!) { chat(id: $id) { title status updatedAt activeReply { id } messages(last: 50) {
    nodes { id text reaction isEdited updatedAt } } } }";

/// What was answered, whatever carried it.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// The status; of a socket that was opened 101, or the code it was closed with.
    pub status: u16,
    /// The headers, but for those that differ from request to request.
    pub headers: BTreeMap<String, String>,
    /// The body, or the first message on a socket, or the reason it was closed for.
    pub body: String,
}

impl Answer {
    /// What came over a socket.
    pub fn of_socket(status: u16, body: String) -> Self {
        Self {
            status,
            headers: BTreeMap::new(),
            body,
        }
    }

    /// An answer to a request, without its body.
    pub fn of_response(response: &reqwest::Response) -> Self {
        let headers = response.headers().iter();
        let lasting = headers.filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
        Self {
            status: response.status().as_u16(),
            headers: lasting
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: String::new(),
        }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The answer but for when it was given, which some of the documented system's say.
    pub fn without_time(self) -> Self {
        let body = serde_json::from_str(&self.body).ok();
        let time = body.and_then(|body: Value| Some(body.get("timestamp")?.as_str()?.to_owned()));
        match time {
            Some(time) => Self {
                body: self.body.replace(&time, "TIME"),
                ..self
            },
            None => self,
        }
    }

    /// Whether a caller is asked for a token, in the words of HTTP.
    pub fn asks_for_a_token(&self) -> bool {
        let how = self.headers.get("www-authenticate").map(String::as_str);
        self.status == 401 && how == Some("Bearer")
    }
}

/// A server that asks for tokens.
pub struct Guarded {
    pub server: Server,
    http: reqwest::Client,
}

impl Guarded {
    /// A new one, with as fast a bot as there is.
    pub fn start(scratch: &Scratch) -> Self {
        Self::start_with(scratch, &["--builtin-pace", "0"])
    }

    /// A new one, with further arguments.
    pub fn start_with(scratch: &Scratch, arguments: &[&str]) -> Self {
        Self {
            server: Server::start_in(scratch, arguments, &[("COLLOQUY_JWT_SECRET", SECRET)]),
            http: reqwest::Client::new(),
        }
    }

    /// A request to be sent.
    pub fn request(&self, method: &str, path: &str, token: Option<&str>) -> RequestBuilder {
        let method = method.to_uppercase().parse().unwrap();
        let request = self.http.request(method, self.server.at(path));
        match token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// Sends a request and reads the whole answer.
    pub async fn answer(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let answer = Answer::of_response(&response);
        Answer {
            body: response.text().await.unwrap(),
            ..answer
        }
    }

    /// Sends a GraphQL request that must succeed, and returns its data.
    pub async fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let request = self.request("post", "/graphql", Some(token)).json(&body);
        let mut answer = self.answer(request).await.json();
        assert_eq!(answer.get("errors"), None, "{query} {answer}");
        answer["data"].take()
    }

    /// A chat of the owner's with two messages, one of them the bot's.
    pub async fn furnish(&self, cast: &Cast) -> Things {
        let token = cast.token(Caller::Owner).unwrap();
        let chat = self.chat(&token).await;
        let query = "mutation ($chat: ID!, $text: String!) {
            user: createMessage(input: {chatId: $chat, text: $text, author: USER}) { message { id } }
            bot: createMessage(input: {chatId: $chat, text: $text, author: BOT}) { message { id } } }";
        let variables = json!({ "chat": chat, "text": format!("Say {SECRET_WORD}") });
        let data = self.data(&token, query, variables).await;
        Things {
            message: id_of(&data["user"]["message"]),
            reply: id_of(&data["bot"]["message"]),
            user: cast.owner.clone(),
            chat,
        }
    }

    /// [`Guarded::furnish`], where the bot's message is a reply to the user's. It grows for long if the bot is slow.
    pub async fn furnish_by_asking(&self, cast: &Cast) -> Things {
        let token = cast.token(Caller::Owner).unwrap();
        let chat = self.chat(&token).await;
        let query = "mutation ($chat: ID!, $text: String!) {
            sendMessage(input: {chatId: $chat, text: $text}) { message { id } reply { id } } }";
        let variables = json!({ "chat": chat, "text": format!("Say {SECRET_WORD}") });
        let data = self.data(&token, query, variables).await;
        Things {
            message: id_of(&data["sendMessage"]["message"]),
            reply: id_of(&data["sendMessage"]["reply"]),
            user: cast.owner.clone(),
            chat,
        }
    }

    /// Asks the bot for something in the owner's name, and waits until what that used is written down.
    pub async fn use_the_bot(&self, cast: &Cast) {
        let things = self.furnish_by_asking(cast).await;
        let token = cast.token(Caller::Owner).unwrap();
        // It is answered when the reply has ended.
        let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { receipt { outcome } } }";
        self.data(&token, stop, json!({ "id": things.reply })).await;
    }

    /// Makes a chat of whoever has the token.
    pub async fn chat(&self, token: &str) -> String {
        let query = "mutation ($title: String!) { createChat(input: {title: $title}) { chat { id } } }";
        let variables = json!({ "title": format!("About {SECRET_WORD}") });
        let data = self.data(token, query, variables).await;
        id_of(&data["createChat"]["chat"])
    }

    /// What a chat is, as somebody sees it to whom everything is shown.
    pub async fn state(&self, chat: &str) -> Value {
        let token = Cast::new().token(Caller::Service).unwrap();
        self.data(&token, STATE, json!({ "id": chat })).await
    }
}

/// The id of an object.
pub fn id_of(object: &Value) -> String {
    object["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{object}"))
        .to_owned()
}
