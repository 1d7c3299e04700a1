//! Documents that were parsed and found harmless. Clients send the same few over and over, each with other variables.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use moka::sync::Cache;

use super::guard::{self, Refusal};
use crate::config::Limits;

/// The most memory that documents take, in bytes; those that are used least make room.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;
/// What the smallest document takes, with its place in the cache: 2.0 KB were measured, and 1.4 KB of 120,000 at once.
const ENTRY_BYTES: u32 = 2 * 1024;
/// What each byte of text takes at most, once parsed. Fields within fields (`a{a{a}}`) take 260, usual documents 70.
const BYTES_PER_TEXT_BYTE: u32 = 260;

/// Documents by their text. Cheap to clone.
#[derive(Clone)]
pub struct ParsedDocuments(Cache<Arc<str>, Arc<ExecutableDocument>>);

impl ParsedDocuments {
    /// None yet.
    pub fn new() -> Self {
        let weight = |text: &Arc<str>, _: &Arc<ExecutableDocument>| {
            let text_bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text_bytes
                .saturating_mul(BYTES_PER_TEXT_BYTE)
                .saturating_add(ENTRY_BYTES)
        };
        Self(Cache::builder().max_capacity(MEMORY_MAX).weigher(weight).build())
    }

    /// The document of a text. One that is refused is not kept.
    pub fn parse(&self, text: Arc<str>, limits: &Limits) -> Result<Arc<ExecutableDocument>, Refusal> {
        if let Some(document) = self.0.get(&text) {
            return Ok(document);
        }
        let document = Arc::new(guard::parse(&text, limits)?);
        self.0.insert(text, document.clone());
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_parsed_once_and_a_refused_one_each_time() {
        let (parsed, limits) = (ParsedDocuments::new(), Limits::default());
        let parse = |text: &str| parsed.parse(text.into(), &limits);
        let first = parse("{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &parse("{ a }").unwrap()));
        assert!(!Arc::ptr_eq(&first, &parse("{ b }").unwrap()));
        for _ in 0..2 {
            assert!(matches!(parse("{"), Err(Refusal::Syntax(_))));
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (parsed, limits) = (ParsedDocuments::new(), Limits::default());
        for n in 0..100 {
            let text = format!("# {n} {}\n{{ a }}", "x".repeat(20 * 1024));
            parsed.parse(text.into(), &limits).unwrap();
        }
        parsed.0.run_pending_tasks();
        assert!(parsed.0.weighted_size() <= MEMORY_MAX);
    }

    #[test]
    fn short_documents_weigh_what_an_entry_holds_and_not_their_text_alone() {
        let (parsed, limits) = (ParsedDocuments::new(), Limits::default());
        for n in 0..100 {
            parsed.parse(format!("{{a{n}}}").into(), &limits).unwrap();
        }
        parsed.0.run_pending_tasks();
        assert!(parsed.0.weighted_size() >= 100 * u64::from(ENTRY_BYTES));
    }
}
