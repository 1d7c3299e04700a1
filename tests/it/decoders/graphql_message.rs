//! What holds of any text that is taken for a message of graphql-ws, or for a GraphQL document. Shared by the tests here
//! and a fuzz target.

use colloquy::config::Limits;
use colloquy::graphql::{GraphqlRequest, guard, ws};
use serde_json::Value;

/// A message has a type; a request names a document; a document that is let through is within its bounds, and what it
/// expands to is counted before anybody expands it.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if ws::is_message(text) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        assert!(message["type"].is_string(), "{text}");
    }
    if let Ok(request) = serde_json::from_str::<GraphqlRequest>(text) {
        assert!(request.names_a_document());
        check_document(request.query.as_deref().unwrap_or_default());
    }
    check_document(text);
}

fn check_document(text: &str) {
    let limits = Limits::default();
    if let Ok(document) = guard::parse(text, &limits) {
        let operations = guard::operations(&document, None).count();
        assert!(
            operations >= 1 || document.operations.iter().count() != 1,
            "{text}"
        );
    }
}
