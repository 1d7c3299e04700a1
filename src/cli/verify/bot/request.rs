//! A request to the trial's bot, read from its connection.

use std::io;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes of a request: far more than the history that servers of the trial send.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// What stands between the head of a request and its body.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The server that sent it.
    pub server: usize,
    /// See [`crate::cli::verify::bot::Call::start`].
    pub start: usize,
    /// The conversation.
    pub messages: Vec<Message>,
}

/// A contribution to a conversation.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What it says.
    pub content: String,
}

#[derive(Deserialize)]
struct Body {
    messages: Vec<Message>,
}

/// The address below which a server finds the bot: which server that is stands in it.
pub fn base_url(bot: std::net::SocketAddr, server: usize, start: usize) -> String {
    format!("http://{bot}/{server}/{start}/v1")
}

/// Reads a request; `None` if the connection ends before, or it is none that a server of the trial sends.
pub async fn read(connection: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let body_at = loop {
        let head_end = bytes
            .windows(HEAD_END.len())
            .position(|window| window == HEAD_END);
        if let Some(end) = head_end {
            break end + HEAD_END.len();
        }
        if bytes.len() > BYTES_MAX || connection.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(bytes.get(..body_at).unwrap_or_default()).into_owned();
    let end = body_at.saturating_add(content_length(&head));
    while bytes.len() < end {
        if bytes.len() > BYTES_MAX || connection.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let body = bytes.get(body_at..end).unwrap_or_default();
    Ok(sender(&head).and_then(|(server, start)| {
        let body: Body = serde_json::from_slice(body).ok()?;
        Some(Request {
            server,
            start,
            messages: body.messages,
        })
    }))
}

fn content_length(head: &str) -> usize {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    length.unwrap_or_default()
}

/// Who sent a request, by its path.
fn sender(head: &str) -> Option<(usize, usize)> {
    let path = head.strip_prefix("POST /")?;
    let (server, rest) = path.split_once('/')?;
    let (start, rest) = rest.split_once('/')?;
    rest.starts_with("v1/chat/completions ").then_some(())?;
    Some((server.parse().ok()?, start.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"नमस्ते"}],"stream":true}"#;

    async fn read_text(text: &str) -> Option<Request> {
        read(&mut text.as_bytes()).await.unwrap()
    }

    #[tokio::test]
    async fn a_request_says_who_sent_it_and_what_is_said() {
        let address = base_url("127.0.0.1:9".parse().unwrap(), 2, 7);
        let path = address.strip_prefix("http://127.0.0.1:9").unwrap();
        let head = format!(
            "POST {path}/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
            BODY.len()
        );
        let request = read_text(&format!("{head}{BODY}and more")).await.unwrap();
        assert_eq!((request.server, request.start), (2, 7));
        assert_eq!(request.messages[0].content, "नमस्ते");
        assert_eq!(read_text(&format!("{head}{}", &BODY[..9])).await, None);
    }

    #[tokio::test]
    async fn anything_else_is_none() {
        for text in [
            "",
            "GET /0/1/v1/models HTTP/1.1\r\n\r\n",
            "POST /0/v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
            "POST /0/1/v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
        ] {
            assert_eq!(read_text(text).await, None, "{text}");
        }
    }
}
