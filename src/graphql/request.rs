//! A request as GraphQL over HTTP and graphql-ws write it.

use async_graphql::{Request, Value, Variables};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

/// The parameters of a request. Unknown ones are ignored; a known one of another type is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct GraphqlRequest {
    /// The document.
    pub query: String,
    /// Which of its operations is meant.
    pub operation_name: Option<String>,
    /// Values of its variables.
    pub variables: Option<Map<String, Json>>,
    /// What else the client has to say; nobody listens yet.
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
        Ok(Self {
            operation_name: text("operationName")?,
            query: text("query")?.ok_or_else(|| D::Error::missing_field("query"))?,
            variables,
            extensions,
        })
    }
}

impl From<GraphqlRequest> for Request {
    fn from(request: GraphqlRequest) -> Self {
        let mut made = Self::new(request.query);
        if let Some(variables) = request.variables {
            made = made.variables(Variables::from_json(Json::Object(variables)));
        }
        made.operation_name = request.operation_name;
        let extensions = request.extensions.into_iter().flatten();
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
        ] {
            assert!(serde_json::from_str::<GraphqlRequest>(good).is_ok(), "{good}");
        }
        for bad in [
            "{}",
            r#"[{"query":"{a}"}]"#,
            r#"{"query":7}"#,
            r#"{"query":null}"#,
            r#"{"query":"{a}","operationName":7}"#,
            r#"{"query":"{a}","variables":[]}"#,
            r#"{"query":"{a}","extensions":"x"}"#,
        ] {
            assert!(serde_json::from_str::<GraphqlRequest>(bad).is_err(), "{bad}");
        }
    }
}
