//! Documents that were parsed and found harmless. Clients send the same few over and over, each with other variables.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use moka::sync::Cache;

use super::guard::{self, Refusal};
use crate::config::Limits;

/// The most bytes of text whose documents are kept; those that are used least make room. Parsed they take a hundred times
/// as many at worst.
const TEXT_BYTES_MAX: u64 = 512 * 1024;

/// Documents by their text. Cheap to clone.
#[derive(Clone)]
pub struct ParsedDocuments(Cache<Arc<str>, Arc<ExecutableDocument>>);

impl ParsedDocuments {
    /// None yet.
    pub fn new() -> Self {
        let weight =
            |text: &Arc<str>, _: &Arc<ExecutableDocument>| u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self(
            Cache::builder()
                .max_capacity(TEXT_BYTES_MAX)
                .weigher(weight)
                .build(),
        )
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
        assert!(parsed.0.weighted_size() <= TEXT_BYTES_MAX);
    }
}
