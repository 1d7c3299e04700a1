//! No list reads a row that it does not need: every statement is answered from an index, in the index's order.

use rusqlite::Connection;

use super::{chats, counts, deletions, exchanges, messages, migrate, replies, revocations, search, usage};
use crate::domain::{
    Author, ChatFilter, ChatId, ChatStatus, DocumentId, MessageFilter, ObjectId, PageRequest, Position,
    SearchScope, SearchWords, Timestamp, UserId,
};
use crate::store::Claim;

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
        counts::OF_CHAT.to_owned(),
        chats::COUNT.to_owned(),
        chats::slice(),
        messages::slice(),
        replies::claimable(Claim::Lapsed).0,
        replies::active("id"),
        replies::REQUEST_STOP.to_owned(),
        replies::IS_THERE.to_owned(),
        replies::checkpoint(),
        messages::in_chat(),
        messages::update(),
        messages::DELETE.to_owned(),
        exchanges::LATEST.to_owned(),
        exchanges::STREAMING_AT.to_owned(),
        exchanges::earlier(),
        exchanges::up_to(),
        deletions::IS_DELETED.to_owned(),
        deletions::DELETE_STREAMING.to_owned(),
        deletions::LENGTHS_OF_FIRST.to_owned(),
        deletions::REMOVE_FIRST.to_owned(),
        usage::ROWS.to_owned(),
        usage::FORGET.to_owned(),
        revocations::LISTED.to_owned(),
    ];
    for claim in [Claim::Owner("us"), Claim::Lapsed, Claim::Alone] {
        statements.extend([replies::finish(claim).0, replies::remove(claim).0]);
    }
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

fn migrated() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection).unwrap();
    connection
}

/// The steps that SQLite takes for a statement.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let unbound = vec![rusqlite::types::Null; explain.parameter_count()];
    let steps = explain
        .query_map(rusqlite::params_from_iter(unbound), |row| row.get("detail"))
        .unwrap();
    steps.collect::<Result<_, _>>().unwrap()
}

#[test]
fn no_statement_scans_a_table_or_sorts() {
    let connection = migrated();
    for sql in statements() {
        let steps = plan(&connection, &sql);
        assert!(!steps.is_empty());
        for step in &steps {
            // The steps of a subquery come after its name.
            let is_known = step.starts_with("SEARCH") || step.starts_with("LIST SUBQUERY");
            assert!(is_known, "{sql}\n{steps:?}");
        }
        // A message has one place to be looked up at: its id. An index of its chat would be walked along.
        if sql.contains("WHERE id = ?") && sql.contains(" chat_id = ?") {
            assert!(steps[0].ends_with("(id=?)"), "{sql}\n{steps:?}");
        }
        let is_of_keys = [exchanges::LATEST, chats::COUNT].contains(&sql.as_str());
        assert!(!is_of_keys || steps[0].contains("COVERING INDEX"), "{steps:?}");
        // A bound must narrow the search, not filter what it found.
        if sql == revocations::LISTED {
            assert!(steps[0].contains("(revoked_at,user_id)>"), "{steps:?}");
        }
        if sql.contains("(created_at, id)") {
            assert!(
                steps.iter().any(|step| step.contains("(created_at,id)")),
                "{sql}\n{steps:?}"
            );
        }
    }
}

/// The words narrow the search, and what they find is sorted: an index of words has no order of time.
#[test]
fn a_search_reads_the_messages_that_have_the_words_and_sorts_them() {
    let connection = migrated();
    let words = SearchWords::parse("sea").unwrap();
    for scope in [SearchScope::User(UserId::Int(1)), SearchScope::Chat(ChatId(ID))] {
        for request in requests() {
            let steps = plan(&connection, &search::page(&scope, &words, &request).0);
            let by_words = steps
                .iter()
                .position(|step| step.starts_with("SCAN message_words VIRTUAL TABLE INDEX"));
            assert_eq!(
                steps[0], "SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)",
                "{steps:?}"
            );
            assert!(by_words.is_some(), "{steps:?}");
            for (n, step) in steps.iter().enumerate() {
                let is_known = [
                    "SEARCH",
                    "LIST SUBQUERY",
                    "USE TEMP B-TREE FOR ORDER BY",
                    "CREATE BLOOM FILTER",
                ]
                .iter()
                .any(|known| step.starts_with(known));
                assert!(is_known || Some(n) == by_words, "{steps:?}");
            }
        }
    }
}
