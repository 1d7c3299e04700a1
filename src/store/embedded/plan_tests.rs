//! No list reads a row that it does not need: every statement is answered from an index, in the index's order.

use rusqlite::Connection;

use super::{chats, messages, migrate, replies};
use crate::domain::{
    Author, ChatFilter, ChatId, ChatStatus, DocumentId, MessageFilter, ObjectId, PageRequest, Position,
    Timestamp, UserId,
};

const ID: ObjectId = ObjectId::from_bytes([7; 12]);

fn requests() -> Vec<PageRequest> {
    let position = Some(Position {
        at: Timestamp::from_millis(1),
        id: ID,
    });
    let mut requests = Vec::new();
    for page in [PageRequest::first(50), PageRequest::last(50)] {
        for (after, before) in [
            (None, None),
            (position, None),
            (None, position),
            (position, position),
        ] {
            requests.push(PageRequest {
                after,
                before,
                ..page
            });
        }
    }
    requests
}

fn statements() -> Vec<String> {
    let mut statements = vec![
        chats::by_id(),
        messages::by_id(),
        messages::by_client_key(),
        messages::COUNT.to_owned(),
        messages::TOKENS.to_owned(),
        replies::lapsed(),
        replies::active(),
        "DELETE FROM messages WHERE chat_id = ?".to_owned(),
    ];
    let chat_filter = ChatFilter {
        status: Some(ChatStatus::active()),
        document_id: Some(DocumentId(ID)),
    };
    let message_filter = MessageFilter {
        author: Some(Author::Bot),
        kind: Some("text".to_owned()),
    };
    for request in requests() {
        for filter in [ChatFilter::default(), chat_filter.clone()] {
            statements.push(chats::page(&UserId::Int(1), &filter, &request).0);
        }
        for filter in [MessageFilter::default(), message_filter.clone()] {
            statements.push(messages::page(ChatId(ID), &filter, &request).0);
        }
    }
    statements
}

#[test]
fn no_statement_scans_a_table_or_sorts() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection).unwrap();
    for sql in statements() {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let unbound = vec![rusqlite::types::Null; explain.parameter_count()];
        let steps = explain
            .query_map(rusqlite::params_from_iter(unbound), |row| {
                row.get::<_, String>("detail")
            })
            .unwrap();
        let steps: Vec<_> = steps.collect::<Result<_, _>>().unwrap();
        assert!(!steps.is_empty());
        for step in &steps {
            assert!(step.starts_with("SEARCH"), "{sql}\n{steps:?}");
        }
        // A bound must narrow the search, not filter what it found.
        if sql.contains("(created_at, id)") {
            assert!(
                steps.iter().any(|step| step.contains("(created_at,id)")),
                "{sql}\n{steps:?}"
            );
        }
    }
}
