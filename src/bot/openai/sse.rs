//! Server-sent events, bounded.
//!
//! `reqwest-eventsource` would take the request from its sending to its events, but it gives no way to look at the
//! bytes in between, and they need looking at: the parser inside it, `eventsource-stream`, keeps a line that never
//! ends until memory does, takes quadratic time over one that trickles in, keeps everything after a byte that is no
//! UTF-8 to itself, and panics on a byte order mark. So what stands here is that same parser with whole, checked and
//! bounded lines given to it. The rest of `reqwest-eventsource` is reconnection, which would send the prompt again
//! and has to be off, and a look at the status and the content type, which is in `answer`.

use std::error::Error;

use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

/// The most bytes of one event, its line ends included; so also of one line.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Why a stream of events cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SseError<E: Error + 'static> {
    /// The connection broke.
    #[error("the connection broke")]
    Transport(#[source] E),
    /// An event has more than [`EVENT_BYTES_MAX`] bytes.
    #[error("an event is too large")]
    TooLarge,
    /// A line is no UTF-8, or no line of an event.
    #[error("a line cannot be read")]
    Malformed,
}

/// The events in `bytes`. What comes after the last whole one is dropped, as the standard says.
pub fn events<B, E>(
    bytes: impl Stream<Item = Result<B, E>> + Send + 'static,
) -> impl Stream<Item = Result<Event, SseError<E>>> + Send
where
    B: AsRef<[u8]> + Send + 'static,
    E: Error + Send + 'static,
{
    let lines = bytes
        .map_err(SseError::Transport)
        .scan(Lines::default(), |lines, chunk| {
            let step = chunk.map(|chunk| lines.push(chunk.as_ref()));
            std::future::ready(Some(match step {
                Ok(lines) => lines,
                Err(error) => vec![Err(error)],
            }))
        })
        .flat_map(stream::iter);
    // A comment first: the parser looks for a byte order mark at its beginning, and panics on one. Of two, one is left.
    let lines = stream::iter([Ok(":\n".to_owned())]).chain(lines);
    lines.eventsource().map_err(|error| match error {
        EventStreamError::Transport(error) => error,
        EventStreamError::Utf8(_) | EventStreamError::Parser(_) => SseError::Malformed,
    })
}

/// Puts lines together from bytes that are cut anywhere.
#[derive(Default)]
struct Lines {
    /// The beginning of the line that is not whole yet.
    partial: Vec<u8>,
    /// Bytes of the event so far, without the comments in it, which nobody keeps.
    event_bytes: usize,
    /// The last byte was a CR, which ended a line; an LF right behind it belongs to it.
    is_after_cr: bool,
    /// A line has been seen, so a byte order mark is none any more.
    has_begun: bool,
}

impl Lines {
    /// The lines that these bytes complete, each with one LF at its end.
    fn push<E: Error>(&mut self, mut bytes: &[u8]) -> Vec<Result<String, SseError<E>>> {
        let mut lines = Vec::new();
        if self.is_after_cr
            && let Some((first, rest)) = bytes.split_first()
        {
            self.is_after_cr = false;
            if *first == b'\n' {
                bytes = rest;
            }
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, rest) = bytes.split_at(end);
            self.partial.extend_from_slice(line);
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => rest,
            };
            self.is_after_cr = rest == b"\r";
            lines.push(self.complete());
        }
        self.partial.extend_from_slice(bytes);
        if self.event_bytes + self.partial.len() > EVENT_BYTES_MAX {
            lines.push(Err(SseError::TooLarge));
        }
        lines
    }

    fn complete<E: Error>(&mut self) -> Result<String, SseError<E>> {
        let bytes = std::mem::take(&mut self.partial);
        let mut line = String::from_utf8(bytes).map_err(|_| SseError::Malformed)?;
        if !std::mem::replace(&mut self.has_begun, true)
            && let Some(rest) = line.strip_prefix('\u{feff}')
        {
            line = rest.to_owned();
        }
        line.push('\n');
        self.event_bytes = match line.as_bytes() {
            b"\n" => 0,
            [b':', ..] => self.event_bytes,
            line => self.event_bytes + line.len(),
        };
        if self.event_bytes > EVENT_BYTES_MAX {
            return Err(SseError::TooLarge);
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    async fn read(chunks: Vec<Vec<u8>>) -> Result<Vec<String>, SseError<io::Error>> {
        let chunks = stream::iter(chunks.into_iter().map(Ok::<_, io::Error>));
        events(chunks).map_ok(|event| event.data).try_collect().await
    }

    fn cut_at(bytes: &[u8], places: &[usize]) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        let mut rest = bytes;
        for place in places {
            let (chunk, after) = rest.split_at(place % (rest.len() + 1));
            chunks.push(chunk.to_vec());
            rest = after;
        }
        chunks.push(rest.to_vec());
        chunks
    }

    const TRANSCRIPT: &str = "\u{feff}: a comment\r\n\r\nevent: x\rdata: एक\rdata:दो\r\rid: 7\nretry: 5\n\n: more\n\
                              data: {\"🙂\": 1}\r\n\r\ndata\n\ndata: cut off";

    #[tokio::test]
    async fn every_line_end_every_field_and_a_byte_order_mark_are_read() {
        let events = read(vec![TRANSCRIPT.into()]).await.unwrap();
        assert_eq!(events, ["एक\nदो", "{\"🙂\": 1}", ""]);
    }

    #[tokio::test]
    async fn of_two_byte_order_marks_the_second_is_part_of_a_name_that_nobody_knows() {
        let bytes = "\u{feff}\u{feff}data: x\ndata: y\n\n";
        assert_eq!(read(vec![bytes.into()]).await.unwrap(), ["y"]);
    }

    proptest::proptest! {
        #[test]
        fn the_same_bytes_are_the_same_events_however_they_are_cut(
            places in proptest::collection::vec(0_usize..200, 0..40),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let chunks = cut_at(TRANSCRIPT.as_bytes(), &places);
            let events = runtime.block_on(read(chunks)).unwrap();
            assert_eq!(events, ["एक\nदो", "{\"🙂\": 1}", ""]);
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(
            bytes in proptest::collection::vec(proptest::sample::select(&b":\r\n\xefdat \xff\xe0a\0"[..]), 0..200),
            places in proptest::collection::vec(0_usize..200, 0..10),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let whole = runtime.block_on(read(vec![bytes.clone()])).ok();
            assert_eq!(runtime.block_on(read(cut_at(&bytes, &places))).ok(), whole);
        }
    }

    #[tokio::test]
    async fn an_event_is_bounded_whether_it_is_one_line_or_many_and_comments_do_not_count() {
        let long_line = vec![b'x'; 64 * 1024];
        let endless = vec![long_line; 17];
        assert!(matches!(read(endless).await, Err(SseError::TooLarge)));
        let many_lines = vec![b"data: 0123456789\n".to_vec(); 70_000];
        assert!(matches!(read(many_lines).await, Err(SseError::TooLarge)));
        let mut comments = vec![b": 0123456789\n".to_vec(); 100_000];
        comments.push(b"data: at last\n\n".to_vec());
        assert_eq!(read(comments).await.unwrap(), ["at last"]);
        let mut largest = b"data: ".to_vec();
        largest.resize(EVENT_BYTES_MAX - 1, b'x');
        largest.extend(b"\n\n");
        assert_eq!(read(vec![largest]).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn bytes_that_are_no_utf_8_are_an_error_and_what_came_before_is_not_lost() {
        let chunks = stream::iter([Ok::<_, io::Error>(
            b"data: a\n\ndata: \xff\n\ndata: b\n\n".to_vec(),
        )]);
        let events: Vec<_> = events(chunks).take(2).collect().await;
        assert_eq!(events[0].as_ref().unwrap().data, "a");
        assert!(matches!(events[1], Err(SseError::Malformed)));
    }
}
