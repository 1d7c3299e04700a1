//! The whole of what a client needs to follow a reply: a snapshot replaces its text, a partial appends to it, the end
//! ends it; and it keeps the latest cursor, to subscribe after it when the line breaks.

use serde_json::Value;

/// What a client has of one reply.
#[derive(Default)]
pub struct Reply {
    /// The text so far.
    pub text: String,
    /// The place behind it.
    pub cursor: Option<String>,
    /// How it ended, or nothing while there is more to come.
    pub state: Option<String>,
}

impl Reply {
    /// Applies an event.
    pub fn apply(&mut self, event: &Value) {
        let text = event["text"].as_str().unwrap_or_default();
        match event["__typename"].as_str() {
            Some("ReplySnapshot") => text.clone_into(&mut self.text),
            Some("ReplyPartial") => self.text.push_str(text),
            Some("ReplyFinished") => {
                self.state = event["message"]["reply"]["state"].as_str().map(str::to_owned);
            }
            _ => {}
        }
        self.cursor = event["cursor"].as_str().map(str::to_owned);
    }
}
