//! Searching.

use async_trait::async_trait;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::EmbeddedStore;
use super::deletions::is_deleted;
use super::keyset::{Conditions, Keyset};
use super::row::{MESSAGE_COLUMNS, id, read_message, read_page};
use crate::domain::{Message, Page, PageRequest, SearchScope, SearchWords};
use crate::store::{SearchStore, StoreError};

const NEWEST_FIRST: Keyset = Keyset {
    time: "created_at",
    is_descending: true,
};

/// The most messages that cannot be read and are passed over in one page.
const UNREADABLE_MAX: usize = 16;

#[async_trait]
impl SearchStore for EmbeddedStore {
    async fn search_messages(
        &self,
        scope: &SearchScope,
        words: &SearchWords,
        request: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let (sql, values) = page(scope, words, request);
        let request = *request;
        let chat = match scope {
            SearchScope::Chat(chat) => Some(*chat),
            SearchScope::User(_) => None,
        };
        let page = self.readers.read(move |connection| {
            if let Some(chat) = chat
                && is_deleted(connection, chat)?
            {
                return Ok(Page::empty());
            }
            let mut statement = connection.prepare_cached(&sql)?;
            read_page(statement.query(params_from_iter(values))?, read_message, &request)
        });
        page.await
    }
}

/// The statement for a page of the messages with these words, and its values.
pub(super) fn page(scope: &SearchScope, words: &SearchWords, request: &PageRequest) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    conditions.holds(
        "number IN (SELECT rowid FROM message_words WHERE message_words MATCH ?)",
        phrases(words),
    );
    match scope {
        SearchScope::Chat(chat) => conditions.equal("chat_id", id(chat.0)),
        SearchScope::User(user) => {
            conditions.holds("chat_id IN (SELECT id FROM chats WHERE user_id = ?)", user);
        }
    }
    // By way of the words and no other index: they are what narrows the search.
    let select = format!("SELECT {MESSAGE_COLUMNS} FROM messages NOT INDEXED");
    let (sql, mut values) = NEWEST_FIRST.statement(&select, conditions, request);
    // What is found is sorted, so that a bound keeps the rows few that are held meanwhile.
    let limit = request.size.saturating_add(1 + UNREADABLE_MAX);
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    (format!("{sql} LIMIT ?"), values)
}

/// The words as the index is asked for them: each in quotes, or it might be taken for an operator.
fn phrases(words: &SearchWords) -> String {
    let quoted = |word: &String| format!("\"{}\"", word.replace('"', "\"\""));
    let phrases: Vec<_> = words.as_slice().iter().map(quoted).collect();
    phrases.join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::domain::{
        Author, Chat, ChatId, ChatStatus, EndState, Message, MessageChange, MessageId, ObjectId, Reply,
        ReplyOutcome, Timestamp, UserId,
    };
    use crate::store::{ChatStore, Claim, EmbeddedStore, MessageStore, ReplyStore};

    /// Compares the index with what it should hold, word for word.
    async fn check(store: &EmbeddedStore, when: &str) {
        let check = store.writer.write(|connection| {
            connection.execute(
                "INSERT INTO message_words (message_words, rank) VALUES ('integrity-check', 1)",
                (),
            )
        });
        check.await.expect(when);
    }

    async fn searchable(store: &EmbeddedStore) -> i64 {
        let rows = store.readers.read(|connection| {
            connection.query_row("SELECT count(*) FROM searchable_messages", (), |row| row.get(0))
        });
        rows.await.unwrap()
    }

    fn message(n: u8, reply: Option<Reply>) -> Message {
        let id = |n| ObjectId::from_bytes([n; 12]);
        let text = format!("नमस्ते Wörld {n} \u{0} a a");
        let author = Author::from_is_bot(reply.is_some());
        let at = Timestamp::from_millis(n.into());
        Message {
            reply,
            ..Message::plain(MessageId(id(n)), ChatId(id(n % 2)), author, text, at)
        }
    }

    fn streaming() -> Reply {
        Reply::begun("us".to_owned(), Timestamp::from_millis(0))
    }

    #[tokio::test]
    async fn the_index_holds_exactly_what_can_be_searched() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).await.unwrap();
        let now = Timestamp::from_millis(99);
        for n in 0..20 {
            let reply = (n >= 10).then(streaming);
            store.insert_message(&message(n, reply)).await.unwrap();
        }
        check(&store, "after inserts").await;
        assert_eq!(searchable(&store).await, 10);

        let id = |n| message(n, None).id;
        let chat = |n| message(n, None).chat_id;
        for (n, text) in [
            (0, Some("a")),
            (1, None),
            (2, Some("")),
            (12, Some("edited while it streams")),
        ] {
            let change = MessageChange {
                text: text.map(str::to_owned),
                reaction: Some(Some("x".to_owned())),
                ..MessageChange::default()
            };
            store.update_message(chat(n), id(n), &change, now).await.unwrap();
        }
        check(&store, "after edits").await;
        for n in 10..20 {
            for text in ["begun", "begun to"] {
                let checkpoint = store.checkpoint(chat(n), id(n), "us", text, Duration::ZERO);
                checkpoint.await.unwrap();
            }
        }
        check(&store, "after checkpoints").await;
        assert_eq!(searchable(&store).await, 10);
        for n in 10..16 {
            let outcome = ReplyOutcome {
                text: (n % 2 == 0).then(|| "the end".to_owned()),
                ..ReplyOutcome::bare(EndState::Stopped, now)
            };
            let finish = store.finish_reply(chat(n), id(n), Claim::Alone, &outcome, None);
            finish.await.unwrap();
        }
        check(&store, "after ends").await;
        assert_eq!(searchable(&store).await, 16);
        for n in [0, 4, 10, 18] {
            assert!(store.delete_message(chat(n), id(n)).await.unwrap());
        }
        check(&store, "after deletions").await;
        assert_eq!(searchable(&store).await, 13);
        let doomed = Chat {
            id: chat(1),
            user_id: UserId::Int(7),
            document_id: None,
            title: String::new(),
            status: ChatStatus::active(),
            created_at: now,
            updated_at: now,
        };
        store.insert_chat(&doomed).await.unwrap();
        assert!(store.delete_chat(doomed.id).await.unwrap());
        check(&store, "after a chat's deletion").await;
        assert!(store.sweep_deleted(2).await.unwrap().is_some());
        check(&store, "in the middle of a sweep").await;
        while store.sweep_deleted(2).await.unwrap().is_some() {}
        check(&store, "after a sweep").await;
        assert_eq!(searchable(&store).await, 5);
    }

    #[tokio::test]
    async fn a_write_that_fails_leaves_no_words_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).await.unwrap();
        for n in 0..4 {
            store.insert_message(&message(n, None)).await.unwrap();
        }
        let failed = store.writer.write(|connection| {
            connection.execute("UPDATE messages SET text = 'gone'", ())?;
            connection.execute("DELETE FROM messages WHERE number = 1", ())?;
            connection.execute("INSERT INTO messages (id) VALUES (NULL)", ())
        });
        assert!(failed.await.is_err());
        check(&store, "after a failure").await;
        assert_eq!(searchable(&store).await, 4);
    }
}
