//! What every face expects of its peer, whatever is spoken: over a WebSocket, and before.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use futures_util::{Stream, StreamExt};

/// How often the server sends a WebSocket ping.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a peer may be silent, pongs included, before it is taken for dead.
pub const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long one frame may wait for the peer to take it.
pub const WRITE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long the closing handshake may take.
pub const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Sees a socket to its end: reads on while `writer` writes what is left and the close frame, and then until the peer's
/// close frame, at most [`CLOSE_WAIT_MAX`]. Reading also sends the answer to the peer's close frame, without which it
/// sees a broken connection. And data that nobody read would reset the socket, and lose our own close frame: after a
/// message that was too big to be read (`is_cut`) the socket is therefore kept that long.
pub async fn close<S: Stream + Unpin>(stream: &mut S, writer: impl Future, is_cut: bool) {
    let mut rest = pin!(async { while stream.next().await.is_some() {} });
    let mut writer = pin!(writer);
    let is_over = tokio::select! {
        () = &mut rest => true,
        _ = &mut writer => false,
    };
    if !is_over {
        let _ = tokio::time::timeout(CLOSE_WAIT_MAX, rest).await;
        return;
    }
    writer.await;
    if is_cut {
        tokio::time::sleep(CLOSE_WAIT_MAX).await;
    }
}

/// Whether what came was over the bound. The WebSocket library's own error type is not at hand here, only its words.
pub fn sent_too_much(error: &dyn std::error::Error) -> bool {
    error.to_string().starts_with("Space limit exceeded")
}

/// Where a request came from, as far as that is known: behind a proxy that is trusted, what it says.
#[derive(Clone, Copy, Debug)]
pub struct Address(pub Option<IpAddr>);

/// The token that a request's `Authorization` headers bring; several are an empty one, because it is not ours to choose.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    let mut brought = headers.get_all(header::AUTHORIZATION).iter();
    let first = brought.next()?;
    let is_one = brought.next().is_none();
    let text = str::from_utf8(first.as_bytes()).ok().filter(|_| is_one);
    Some(text.map_or("", bearer))
}

/// The token of an `Authorization` header, by RFC 6750. What is no token of that kind is nobody's.
pub fn bearer(authorization: &str) -> &str {
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn two_tokens_are_none() {
        let of = |tokens: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for token in tokens {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(token));
            }
            token(&headers).map(str::to_owned)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(of(&["Bearer abc", "Bearer abc"]).as_deref(), Some(""));
    }

    #[test]
    fn a_bearer_is_told_in_either_case_and_nobody_else_is() {
        for header in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(bearer(header), "abc", "{header}");
        }
        for header in ["", "abc", "Bearer", "Basic abc", "Bearer,abc"] {
            assert_eq!(bearer(header), "", "{header}");
        }
    }
}
