//! What holds of any bytes that a bot's service sends as events. Shared by the tests here and a fuzz target.

use std::convert::Infallible;

use colloquy::bot::openai::sse;
use futures_util::{FutureExt, StreamExt, stream};

/// However the bytes are cut, they are the same events. The first byte says how they are.
pub fn check(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let size = usize::from(*cut).max(1);
    let whole = events(vec![bytes.to_vec()]);
    assert_eq!(events(bytes.chunks(size).map(<[u8]>::to_vec).collect()), whole);
    // An event that was whole stays, whatever comes behind it.
    let longer = events(vec![[bytes, b"\n\ndata: end\n\n"].concat()]);
    let good = whole.iter().take_while(|event| event.is_ok());
    assert!(longer.iter().zip(good).all(|(longer, event)| longer == event));
}

fn events(chunks: Vec<Vec<u8>>) -> Vec<Result<(String, String), &'static str>> {
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, Infallible>));
    let events = sse::events(chunks).map(|event| match event {
        Ok(event) => Ok((event.event, event.data)),
        Err(sse::SseError::Transport(never)) => match never {},
        Err(sse::SseError::TooLarge) => Err("too large"),
        Err(sse::SseError::Malformed) => Err("malformed"),
    });
    // It waits for nothing but the bytes, which are there.
    events.collect::<Vec<_>>().now_or_never().unwrap_or_default()
}
