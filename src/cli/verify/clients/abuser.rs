//! One who sends what is wrong, and looks at the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use super::abuses::{self, Bad};
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::Abuse;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(100);

/// Abuse that is no HTTP request.
const SOCKETS: [(&str, &str, Said); 3] = [
    (
        "a message of no protocol",
        "/graphql",
        Said {
            frame: "garbage",
            answer: Answer::Close(4400),
        },
    ),
    (
        "a subscription before the greeting",
        "/graphql",
        Said {
            frame: r#"{"type":"subscribe","id":"1","payload":{"query":"{ __typename }"}}"#,
            answer: Answer::Close(4401),
        },
    ),
    (
        "mt: no JSON",
        "/chat/ws/x",
        Said {
            frame: "{",
            answer: Answer::Word("error"),
        },
    ),
];

/// What is said over a socket, and what should come of it.
#[derive(Clone, Copy)]
struct Said {
    frame: &'static str,
    answer: Answer,
}

#[derive(Clone, Copy)]
enum Answer {
    /// The socket is closed with a code.
    Close(u16),
    /// A frame has this word in it.
    Word(&'static str),
}

/// Sends one after the other until there is enough.
pub async fn abuse(crew: Arc<Crew>, mut rng: Rng) {
    // Each on a connection of its own: a server closes one behind a request that it did not read to its end, and the
    // next request must not meet that.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    let Ok(client) = client.timeout(ANSWER_MAX).build() else {
        return;
    };
    let bad = abuses::all();
    loop {
        for bad in &bad {
            let sent = try_on(&crew, bad.name, &mut rng, |server| send(&client, server, bad));
            if sent.await.is_none() {
                return;
            }
        }
        for (name, path, said) in SOCKETS {
            if try_on(&crew, name, &mut rng, |server| say(server, path, said))
                .await
                .is_none()
            {
                return;
            }
        }
        if try_on(&crew, "no HTTP at all", &mut rng, noise).await.is_none() {
            return;
        }
    }
}

/// Tries something on a calm server; what is wrong with the answer counts if the server stayed calm. `None` if there is
/// enough.
async fn try_on<F>(
    crew: &Crew,
    name: &'static str,
    rng: &mut Rng,
    send: impl Fn(SocketAddr) -> F,
) -> Option<()>
where
    F: Future<Output = Result<(), String>>,
{
    crew.wait(PAUSE).await?;
    let calm = crew.fleet.calm(rng).map(|(slot, calm)| (slot.clone(), calm));
    let Some((slot, calm)) = calm else { return Some(()) };
    let answer = crew.over.run_until_cancelled(send(calm.address)).await?;
    if slot.is_calm_since(&calm) {
        let fault = answer.err();
        crew.ledger.note(|notes| notes.abuses.push(Abuse { name, fault }));
    }
    Some(())
}

async fn send(client: &reqwest::Client, server: SocketAddr, bad: &Bad) -> Result<(), String> {
    let request = client
        .request(bad.method.clone(), format!("http://{server}{}", bad.path))
        .header(reqwest::header::CONTENT_TYPE, bad.kind)
        .header(reqwest::header::ACCEPT, bad.accept)
        .body(bad.body.clone());
    let response = request
        .send()
        .await
        .map_err(|error| format!("no answer: {error}"))?;
    let status = response.status();
    let body = response
        .bytes()
        .await
        .map_err(|error| format!("half an answer: {error}"))?;
    judge(status.as_u16(), bad.path.starts_with("/graphql"), &body)
}

/// Whether a bad request was answered as it should be: with a client's error, and over GraphQL with a code. Where only
/// a field is wrong GraphQL answers 200, and the code is in it.
fn judge(status: u16, is_graphql: bool, body: &[u8]) -> Result<(), String> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = answer
        .pointer("/errors/0/extensions/code")
        .and_then(Value::as_str);
    match (status, code) {
        (500.., _) => Err(format!("answered {status}")),
        (400..500, None) if is_graphql => Err(format!("answered {status} without a code")),
        (400..500, _) | (200, Some(_)) => Ok(()),
        _ => Err(format!("taken, and answered {status}")),
    }
}

async fn say(server: SocketAddr, path: &str, said: Said) -> Result<(), String> {
    let told = |error: &dyn std::error::Error| format!("no answer: {error}");
    let talk = async {
        let line = TcpStream::connect(server).await.map_err(|error| told(&error))?;
        let request = format!("ws://{server}{path}").into_client_request();
        let mut request = request.map_err(|error| told(&error))?;
        if path == "/graphql" {
            let protocol = HeaderValue::from_static("graphql-transport-ws");
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let opened = tokio_tungstenite::client_async(request, line).await;
        let (mut socket, _) = opened.map_err(|error| told(&error))?;
        let sent = socket.send(Message::text(said.frame)).await;
        sent.map_err(|error| told(&error))?;
        while let Some(message) = socket.next().await {
            match (message.map_err(|error| told(&error))?, said.answer) {
                (Message::Close(Some(frame)), Answer::Close(code)) if u16::from(frame.code) == code => {
                    return Ok(());
                }
                (Message::Close(frame), _) => return Err(format!("closed with {frame:?}")),
                (Message::Text(text), Answer::Word(word)) if text.contains(word) => return Ok(()),
                _ => {}
            }
        }
        Err("the line ended without a word".to_owned())
    };
    let talked = tokio::time::timeout(ANSWER_MAX, talk).await;
    talked.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

/// Bytes that are no HTTP. The line may be closed as soon as that is clear, but the server goes on.
async fn noise(server: SocketAddr) -> Result<(), String> {
    let line = async {
        let mut line = TcpStream::connect(server).await?;
        line.write_all(b"\x00\x16\x03\x01 colloquy\r\n\r\n\xff").await?;
        line.read_to_end(&mut Vec::new()).await
    };
    match tokio::time::timeout(ANSWER_MAX, line).await {
        Ok(_) => Ok(()),
        Err(_) => Err("the line was left open".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_client_s_error_with_a_code() {
        let coded = br#"{"errors": [{"message": "", "extensions": {"code": "X"}}]}"#;
        for (status, is_graphql, body, is_right) in [
            (400, true, &coded[..], true),
            (200, true, coded, true),
            (422, false, b"{\"detail\": []}", true),
            (500, true, coded, false),
            (400, true, b"{}", false),
            (200, true, b"{\"data\": {}}", false),
            (200, false, b"{}", false),
        ] {
            assert_eq!(
                judge(status, is_graphql, body).is_ok(),
                is_right,
                "{status} {is_graphql}"
            );
        }
    }
}
