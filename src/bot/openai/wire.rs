//! The Chat Completions protocol as it is on the wire.

use serde::{Deserialize, Deserializer, Serialize};

use super::PIECE_BYTES_MAX;
use crate::bot::{BotError, BotEvent};
use crate::domain::{FinishReason, TokenCount, Usage};

/// What is asked.
#[derive(Serialize)]
pub struct Request {
    /// The model that is to answer.
    pub model: String,
    /// The conversation.
    pub messages: Vec<RequestMessage>,
    /// Whether the answer comes in pieces.
    pub stream: bool,
    /// What else the pieces carry.
    pub stream_options: StreamOptions,
    /// The most tokens of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// What else the pieces carry.
#[derive(Serialize)]
pub struct StreamOptions {
    /// The cost, in a chunk of its own at the end.
    pub include_usage: bool,
}

/// A contribution to the conversation.
#[derive(Serialize)]
pub struct RequestMessage {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What it says.
    pub content: String,
}

/// One event of the stream, or a whole answer: the two differ in the name of one field only.
#[derive(Deserialize)]
pub struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<TokenUsage>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u32>,
    delta: Option<Delta>,
    message: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    // Two names for one thing, of different services; some send both.
    #[serde(default, deserialize_with = "text_or_nothing")]
    reasoning_content: Option<String>,
    #[serde(default, deserialize_with = "text_or_nothing")]
    reasoning: Option<String>,
}

#[derive(Deserialize)]
struct TokenUsage {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
}

/// Reasoning comes in other shapes as well, which are not worth an answer.
fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    })
}

/// What a chunk says of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The answer has all it will have.
    Finished(FinishReason),
    /// It ends with an error.
    Failed(BotError),
}

/// A chunk, understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Pieces of text and of reasoning, none of them empty or larger than a piece may be.
    pub events: Vec<BotEvent>,
    /// The end, if this is it.
    pub end: Option<End>,
    /// What it cost.
    pub usage: Option<Usage>,
    /// Whether there was anything of an answer in it.
    pub is_answer: bool,
    /// What the service says went wrong; for the log.
    pub complaint: Option<String>,
}

impl Chunk {
    /// Understands a chunk. Only the first of several choices counts: only one was asked for.
    pub fn read(self) -> Reading {
        let mut reading = Reading {
            usage: self.usage.and_then(TokenUsage::reported),
            is_answer: self.choices.is_some(),
            ..Reading::default()
        };
        if let Some(error) = self.error.filter(|error| !error.is_null()) {
            reading.end = Some(End::Failed(BotError::FAILED));
            reading.complaint = Some(error.to_string());
            return reading;
        }
        for choice in self.choices.into_iter().flatten() {
            if choice.index.unwrap_or(0) != 0 {
                continue;
            }
            if let Some(delta) = choice.delta.or(choice.message) {
                let reasoning = delta.reasoning_content.or(delta.reasoning).unwrap_or_default();
                reading.events.extend(cut(&reasoning).map(BotEvent::Reasoning));
                let content = delta.content.unwrap_or_default();
                reading.events.extend(cut(&content).map(BotEvent::Piece));
            }
            reading.end = choice.finish_reason.as_deref().and_then(end).or(reading.end);
        }
        reading
    }
}

impl TokenUsage {
    fn reported(self) -> Option<Usage> {
        let count = |tokens: Option<i64>| tokens.filter(|tokens| *tokens >= 0).map(TokenCount::reported);
        Some(Usage {
            prompt: count(self.prompt_tokens)?,
            completion: count(self.completion_tokens)?,
        })
    }
}

fn end(reason: &str) -> Option<End> {
    Some(match reason {
        "" => return None,
        "length" => End::Finished(FinishReason::Length),
        "content_filter" => End::Failed(BotError::FILTERED),
        // Some services say here that they broke down; to call that complete would be a lie.
        "error" | "insufficient_system_resource" => End::Failed(BotError::FAILED),
        _ => End::Finished(FinishReason::Complete),
    })
}

/// Cuts a text into pieces of at most [`PIECE_BYTES_MAX`] bytes; none for an empty one.
fn cut(mut text: &str) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE_BYTES_MAX));
        text = rest;
        (!piece.is_empty()).then(|| piece.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Reading {
        serde_json::from_str::<Chunk>(json).unwrap().read()
    }

    #[test]
    fn a_delta_is_its_reasoning_then_its_text() {
        let reading = read(
            r#"{"choices":[{"index":1,"delta":{"content":"other"}},
                {"index":0,"delta":{"role":"assistant","content":"हाँ","reasoning_content":"hm","reasoning":"hm"}}]}"#,
        );
        let events = [
            BotEvent::Reasoning("hm".to_owned()),
            BotEvent::Piece("हाँ".to_owned()),
        ];
        assert_eq!((reading.events.as_slice(), reading.end), (&events[..], None));
        for nothing in [
            r#"{"choices":[]}"#,
            r#"{"choices":[{"delta":{}}]}"#,
            r#"{"choices":[{"delta":{"content":null,"reasoning":{"a":1}},"finish_reason":null}]}"#,
            r#"{"choices":[{"delta":{"content":""},"finish_reason":""}],"error":null,"more":{"a":[1]}}"#,
        ] {
            let reading = read(nothing);
            assert_eq!((reading.events.len(), reading.end), (0, None), "{nothing}");
        }
    }

    #[test]
    fn every_finish_reason_has_a_meaning() {
        for (reason, meaning) in [
            ("stop", End::Finished(FinishReason::Complete)),
            ("length", End::Finished(FinishReason::Length)),
            ("tool_calls", End::Finished(FinishReason::Complete)),
            ("content_filter", End::Failed(BotError::FILTERED)),
            ("error", End::Failed(BotError::FAILED)),
        ] {
            let reading = read(&format!(
                r#"{{"choices":[{{"delta":{{}},"finish_reason":"{reason}"}}]}}"#
            ));
            assert_eq!(reading.end, Some(meaning), "{reason}");
        }
    }

    #[test]
    fn usage_counts_only_where_it_is_whole() {
        let usage = read(r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"x":{}}}"#).usage;
        let usage = usage.unwrap();
        assert_eq!(
            (usage.prompt, usage.completion),
            (TokenCount::reported(7), TokenCount::reported(3))
        );
        for none in [
            r#"{"usage":null}"#,
            r#"{"usage":{}}"#,
            r#"{"usage":{"prompt_tokens":-1,"completion_tokens":1}}"#,
        ] {
            assert_eq!(read(none).usage, None, "{none}");
        }
    }

    #[test]
    fn a_large_text_becomes_several_pieces() {
        let text = "ह".repeat(PIECE_BYTES_MAX);
        let pieces: Vec<_> = cut(&text).collect();
        assert!(
            pieces
                .iter()
                .all(|piece| !piece.is_empty() && piece.len() <= PIECE_BYTES_MAX)
        );
        assert_eq!(pieces.concat(), text);
    }
}
