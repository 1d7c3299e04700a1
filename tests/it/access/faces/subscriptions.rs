//! Subscriptions, over each transport that carries them.

use reqwest::header::ACCEPT;
use serde_json::json;

use super::Outcome::{Done, NotFound, Unauthenticated as NoToken, Unsuitable};
use super::graphql_ws::{GraphqlWs, outcome_of_socket, subscribe};
use super::{Face, Outcome, Row, Visit, meaning};
use crate::access::guarded::{Answer, Guarded};
use crate::support::mt::WAIT_MAX;
use crate::support::operation::Transport;

/// Owner, other, service, anonymous, expired, forged.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("Subscription.reply", "subscription { reply(messageId: \"REPLY\") { __typename } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    // That a message is no reply is told only to those who may know that there is one.
    ("Subscription.reply", "subscription { reply(messageId: \"MESSAGE\") { __typename } }", [Unsuitable, NotFound, Unsuitable, NoToken, NoToken, NoToken]),
    ("Subscription.chat", "subscription { chat(id: \"CHAT\") { __typename } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
];

/// Subscriptions over one transport.
pub struct Subscriptions(pub Transport);

impl Face for Subscriptions {
    fn rows(&self) -> Vec<Row> {
        ROWS.to_vec()
    }

    async fn ask(&self, server: &Guarded, visit: &Visit<'_>) -> Answer {
        let query = visit.things.fill(visit.row.1);
        let accept = match self.0 {
            Transport::WebSocket => return over_socket(server, visit, &query).await,
            Transport::Events => "text/event-stream",
            Transport::Parts => "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\"",
        };
        let request = server
            .request("post", "/graphql", visit.token)
            .header(ACCEPT, accept);
        let response = request.json(&json!({ "query": query })).send().await.unwrap();
        let answer = Answer::of_response(&response);
        let beginning = tokio::time::timeout(WAIT_MAX, beginning(response)).await;
        Answer {
            body: beginning.expect("the server said nothing"),
            ..answer
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        if self.0 == Transport::WebSocket {
            return outcome_of_socket(answer);
        }
        match (answer.status, code(&answer.body)) {
            (401, Some("UNAUTHENTICATED")) if answer.asks_for_a_token() => NoToken,
            (200, Some(code)) if code != "UNAUTHENTICATED" => {
                meaning(code).unwrap_or_else(|| panic!("{answer:?}"))
            }
            (200, None) if answer.body.contains(DATA) => Done,
            _ => panic!("{answer:?}"),
        }
    }
}

/// What the first result has in it, if it is one.
const DATA: &str = "\"data\":{";

/// A part that says that the line is alive: how many come is a matter of time.
const BEAT: &str = "content-type: application/json\r\n\r\n{}\r\n--graphql\r\n";

async fn over_socket(server: &Guarded, visit: &Visit<'_>, query: &str) -> Answer {
    match GraphqlWs::Message.acknowledged(server, visit.token).await {
        Ok(mut line) => {
            line.send(subscribe(query)).await;
            line.receive().await
        }
        Err(refusal) => refusal,
    }
}

/// What comes up to the first result, or to the end if there is none.
async fn beginning(mut response: reqwest::Response) -> String {
    let mut came = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        came.extend(chunk);
        if String::from_utf8_lossy(&came).contains(DATA) {
            break;
        }
    }
    String::from_utf8(came).unwrap().replace(BEAT, "")
}

/// The first error's code.
fn code(body: &str) -> Option<&str> {
    let (_, behind) = body.split_once("\"code\":\"")?;
    behind.split('"').next()
}
