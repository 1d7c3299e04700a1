//! A request as GraphQL over HTTP and graphql-ws write it.

use async_graphql::{Request, Value, Variables};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

/// The parameters of a request. Unknown ones are ignored; a known one of another type is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct GraphqlRequest {
    /// The document, unless it is named another way.
    pub query: Option<String>,
    /// The id of the document, as the persisted documents of GraphQL over HTTP have it.
    pub document_id: Option<String>,
    /// Which of its operations is meant.
    pub operation_name: Option<String>,
    /// Values of its variables.
    pub variables: Option<Map<String, Json>>,
    /// What else the client has to say: `persistedQuery` names the document by its hash.
    pub extensions: Option<Map<String, Json>>,
}

impl<'de> Deserialize<'de> for GraphqlRequest {
    /// By way of a map: serde would take an array for a struct, and a batch is no request.
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let mut object = Map::deserialize(source)?;
        let mut take = |name: &str| object.remove(name).filter(|value| !value.is_null());
        let wrong = || D::Error::custom("a parameter is of another type");
        let mut map = |name| match take(name) {
            None => Ok(None),
            Some(Json::Object(map)) => Ok(Some(map)),
            Some(_) => Err(wrong()),
        };
        let (variables, extensions) = (map("variables")?, map("extensions")?);
        let mut text = |name| match take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong()),
        };
        let request = Self {
            operation_name: text("operationName")?,
            query: text("query")?,
            document_id: text("documentId")?,
            variables,
            extensions,
        };
        match request.names_a_document() {
            true => Ok(request),
            false => Err(D::Error::missing_field("query")),
        }
    }
}

impl GraphqlRequest {
    /// Whether there is a document to look for.
    pub fn names_a_document(&self) -> bool {
        let extensions = self.extensions.as_ref();
        let is_persisted = extensions.is_some_and(|extensions| extensions.contains_key("persistedQuery"));
        self.query.is_some() || self.document_id.is_some() || is_persisted
    }

    /// The request of a document, as the executor takes it.
    pub(super) fn of(self, document: &str) -> Request {
        let mut made = Request::new(document);
        if let Some(variables) = self.variables {
            made = made.variables(Variables::from_json(Json::Object(variables)));
        }
        made.operation_name = self.operation_name;
        let extensions = self.extensions.into_iter().flatten();
        made.extensions.0 = extensions
            .filter_map(|(name, value)| Some((name, Value::from_json(value).ok()?)))
            .collect();
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_read_strictly() {
        for good in [
            r#"{"query":"{a}"}"#,
            r#"{"query":"{a}","operationName":null,"variables":null,"extensions":null}"#,
            r#"{"query":"{a}","variables":{"a":[1]},"extensions":{"x":{}},"other":7}"#,
            r#"{"documentId":"a"}"#,
            r#"{"extensions":{"persistedQuery":{}}}"#,
        ] {
            assert!(serde_json::from_str::<GraphqlRequest>(good).is_ok(), "{good}");
        }
        for bad in [
            "{}",
            r#"[{"query":"{a}"}]"#,
            r#"{"query":7}"#,
            r#"{"documentId":7}"#,
            r#"{"extensions":{"x":{}}}"#,
            r#"{"query":null}"#,
            r#"{"query":"{a}","operationName":7}"#,
            r#"{"query":"{a}","variables":[]}"#,
            r#"{"query":"{a}","extensions":"x"}"#,
        ] {
            assert!(serde_json::from_str::<GraphqlRequest>(bad).is_err(), "{bad}");
        }
    }
}
