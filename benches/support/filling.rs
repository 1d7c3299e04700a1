//! Long chats, written past the service.

use colloquy::domain::{Author, ChatId, Clock, Message, MessageId, SystemClock, TokenCount};
use colloquy::store::Store;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::ids::new_ids;

/// Inserts under way at once.
const INSERTS: usize = 256;

/// Writes this many messages, one a millisecond, the last of them a moment ago.
pub async fn fill(store: &dyn Store, chat: ChatId, length: usize) {
    let (now, ids) = (SystemClock.now(), new_ids());
    let messages = (0..length).map(|n| {
        let at = now.plus_millis(-i64::try_from(length - n).unwrap());
        let author = Author::from_is_bot(n % 2 == 1);
        let text =
            format!("Message {n} of a conversation about the sea, the ships on it and the weather above it");
        Message {
            token_count: Some(TokenCount::reported(20)),
            ..Message::plain(MessageId(ids.next()), chat, author, text, at)
        }
    });
    stream::iter(messages)
        .map(|message| async move { store.insert_message(&message).await })
        .buffer_unordered(INSERTS)
        .try_for_each(|_| async { Ok(()) })
        .await
        .unwrap();
}
