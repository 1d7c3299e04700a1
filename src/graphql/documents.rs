//! Which document a request means: the one it sends, one that was registered by its hash (automatic persisted queries),
//! or one that is trusted.

use std::sync::Arc;

use async_graphql::ServerError;
use moka::sync::Cache;

use super::{GraphqlRequest, with_code};
use crate::config::{TrustedDocuments, sha256};

/// The most bytes of registered documents that are kept; those that are used least make room.
const REGISTERED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a request means no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownDocument {
    /// The hash was not registered, or is forgotten: the client sends the document along.
    NotRegistered,
    /// The hash is another document's.
    OtherHash,
    /// It is none of those that may run.
    NotTrusted,
    /// It is told in a way that is not known.
    Unsupported,
}

impl From<UnknownDocument> for ServerError {
    fn from(unknown: UnknownDocument) -> Self {
        // The first and the last message are what Apollo's clients look for.
        let (message, code) = match unknown {
            UnknownDocument::NotRegistered => ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND"),
            UnknownDocument::OtherHash => (
                "The document's SHA-256 is not the one that was given.",
                "PERSISTED_QUERY_HASH_MISMATCH",
            ),
            UnknownDocument::NotTrusted => (
                "This server runs trusted documents only, and this is none of them.",
                "PERSISTED_QUERY_NOT_IN_LIST",
            ),
            UnknownDocument::Unsupported => ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED"),
        };
        with_code(Self::new(message, None), code)
    }
}

/// The documents that requests can name. Cheap to clone.
#[derive(Clone)]
pub struct Documents {
    registered: Cache<String, Arc<str>>,
    trusted: Option<Arc<TrustedDocuments>>,
}

impl Documents {
    /// With trusted documents, nothing else runs and nothing can be registered.
    pub fn new(trusted: Option<Arc<TrustedDocuments>>) -> Self {
        let bytes =
            |hash: &String, text: &Arc<str>| u32::try_from(hash.len() + text.len()).unwrap_or(u32::MAX);
        Self {
            registered: Cache::builder()
                .max_capacity(REGISTERED_BYTES_MAX)
                .weigher(bytes)
                .build(),
            trusted,
        }
    }

    /// The document of a request.
    pub fn find(&self, request: &GraphqlRequest) -> Result<Arc<str>, UnknownDocument> {
        let id = Id::of(request)?;
        if let Some(trusted) = &self.trusted {
            return match (&request.query, id) {
                (Some(query), _) if trusted.contains(query) => Ok(query.as_str().into()),
                (None, Some(id)) => trusted.by_id(id.text()).ok_or(UnknownDocument::NotTrusted),
                _ => Err(UnknownDocument::NotTrusted),
            };
        }
        let hash = id.as_ref().map(Id::hash).transpose()?;
        match (&request.query, hash) {
            (Some(query), None) => Ok(query.as_str().into()),
            (Some(query), Some(hash)) if sha256(query) == hash => {
                let query: Arc<str> = query.as_str().into();
                self.registered.insert(hash, query.clone());
                Ok(query)
            }
            (Some(_), Some(_)) => Err(UnknownDocument::OtherHash),
            (None, Some(hash)) => self.registered.get(&hash).ok_or(UnknownDocument::NotRegistered),
            (None, None) => Err(UnknownDocument::Unsupported),
        }
    }
}

/// How a request names its document.
enum Id<'a> {
    /// `documentId`, as the persisted documents of GraphQL over HTTP are named.
    Document(&'a str),
    /// `extensions.persistedQuery.sha256Hash`, as Apollo's automatic persisted queries are.
    PersistedQuery(&'a str),
}

impl<'a> Id<'a> {
    fn of(request: &'a GraphqlRequest) -> Result<Option<Self>, UnknownDocument> {
        if let Some(id) = &request.document_id {
            return Ok(Some(Self::Document(id)));
        }
        let extensions = request.extensions.as_ref();
        let Some(persisted) = extensions.and_then(|extensions| extensions.get("persistedQuery")) else {
            return Ok(None);
        };
        if persisted.get("version").and_then(serde_json::Value::as_u64) != Some(1) {
            return Err(UnknownDocument::Unsupported);
        }
        let hash = persisted.get("sha256Hash").and_then(serde_json::Value::as_str);
        hash.map(|hash| Some(Self::PersistedQuery(hash)))
            .ok_or(UnknownDocument::Unsupported)
    }

    fn text(&self) -> &'a str {
        match self {
            Self::Document(id) | Self::PersistedQuery(id) => id,
        }
    }

    /// The SHA-256 that it is, in lower case.
    fn hash(&self) -> Result<String, UnknownDocument> {
        let hash = match self {
            Self::Document(id) => id.strip_prefix("sha256:"),
            Self::PersistedQuery(hash) => Some(*hash),
        };
        let is_hash = |hash: &&str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hash = hash.filter(is_hash).map(str::to_ascii_lowercase);
        hash.ok_or(UnknownDocument::Unsupported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(json: serde_json::Value) -> GraphqlRequest {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_was_registered_is_found_by_its_hash_alone() {
        let documents = Documents::new(None);
        let (query, hash) = ("{ a }", sha256("{ a }"));
        let apollo = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
        let by_hash = request(json!({ "extensions": apollo }));
        let by_id = request(json!({ "documentId": format!("sha256:{}", hash.to_uppercase()) }));
        for unknown in [&by_hash, &by_id] {
            assert_eq!(documents.find(unknown), Err(UnknownDocument::NotRegistered));
        }
        let other = request(json!({ "query": "{ b }", "extensions": apollo }));
        assert_eq!(documents.find(&other), Err(UnknownDocument::OtherHash));
        let both = request(json!({ "query": query, "extensions": apollo }));
        for known in [&both, &by_hash, &by_id] {
            assert_eq!(documents.find(known).as_deref(), Ok(query));
        }
    }

    #[test]
    fn what_names_no_document_in_a_known_way_is_refused() {
        let documents = Documents::new(None);
        let hash = sha256("{ a }");
        for persisted in [
            json!({ "version": 2, "sha256Hash": hash }),
            json!({ "version": 1 }),
            json!({ "version": 1, "sha256Hash": "abc" }),
            json!(7),
        ] {
            let request = request(json!({ "extensions": { "persistedQuery": persisted } }));
            assert_eq!(
                documents.find(&request),
                Err(UnknownDocument::Unsupported),
                "{persisted}"
            );
        }
        let plain = request(json!({ "documentId": "Viewer" }));
        assert_eq!(documents.find(&plain), Err(UnknownDocument::Unsupported));
    }

    #[test]
    fn registered_documents_are_bounded() {
        let documents = Documents::new(None);
        for n in 0..400 {
            let query = format!("# {n} {}\n{{ a }}", "x".repeat(100 * 1024));
            let persisted = json!({ "version": 1, "sha256Hash": sha256(&query) });
            let request = request(json!({ "query": query, "extensions": { "persistedQuery": persisted } }));
            documents.find(&request).unwrap();
        }
        documents.registered.run_pending_tasks();
        assert!(documents.registered.weighted_size() <= REGISTERED_BYTES_MAX);
    }
}
