//! What holds of any text that is taken for a cursor or an id. Shared by the tests here and a fuzz target.

use colloquy::domain::{ChatCursor, ObjectId, Position, ReplyCursor};

/// Whatever is read is written as something that reads as the same, and a text proves a cursor only if it is the text.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(cursor) = ReplyCursor::decode(text) {
        assert_eq!(ReplyCursor::decode(&cursor.encode()), Some(cursor));
        if let Some(digest) = cursor.verify(text) {
            assert_eq!(digest.cursor(), cursor);
        }
    }
    if let Some(cursor) = ChatCursor::decode(text) {
        assert!(cursor.replies.len() <= ChatCursor::REPLIES_MAX);
        assert_eq!(ChatCursor::decode(&cursor.encode()), Some(cursor));
    }
    if let Some(position) = Position::decode(text) {
        assert_eq!(Position::decode(&position.encode()), Some(position));
    }
    if let Ok(id) = ObjectId::parse(text) {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
}
