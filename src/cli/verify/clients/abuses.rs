//! Requests that are wrong, each in another way.

use reqwest::Method;

/// A bad request.
pub struct Bad {
    /// What is wrong with it.
    pub name: &'static str,
    /// How it is sent.
    pub method: Method,
    /// Where.
    pub path: &'static str,
    /// Its content type.
    pub kind: &'static str,
    /// What answer it takes.
    pub accept: &'static str,
    /// What it carries.
    pub body: Vec<u8>,
}

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

fn graphql(name: &'static str, body: impl Into<Vec<u8>>) -> Bad {
    Bad {
        name,
        method: Method::POST,
        path: "/graphql",
        kind: JSON,
        accept: GRAPHQL,
        body: body.into(),
    }
}

fn document(name: &'static str, document: &str) -> Bad {
    graphql(name, serde_json::json!({ "query": document }).to_string())
}

fn rest(name: &'static str, method: Method, path: &'static str, body: &'static str) -> Bad {
    Bad {
        name,
        method,
        path,
        kind: JSON,
        accept: JSON,
        body: body.into(),
    }
}

/// All of them.
pub fn all() -> Vec<Bad> {
    let bomb: String = (0..26)
        .map(|n| format!("fragment F{n} on Query {{ ...F{0} ...F{0} }} ", n + 1))
        .chain(["fragment F26 on Query { __typename } { ...F0 }".to_owned()])
        .collect();
    let aliases: String = (0..5_000).map(|n| format!("a{n}: __typename ")).collect();
    let deep = format!("{}__typename{}", "{a".repeat(500), "}".repeat(500));
    let variables = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    vec![
        graphql("half of a JSON object", r#"{"query": "#),
        graphql("a JSON array", r#"[{"query": "{ __typename }"}]"#),
        graphql("no UTF-8", [&b"{\"query\": \"{ \xff\xfe }\"}"[..]].concat()),
        graphql("half of a surrogate pair", r#"{"query": "{ \ud800 }"}"#),
        graphql("nothing", ""),
        graphql("300 KB", format!(r#"{{"query": "{}"}}"#, " ".repeat(300_000))),
        graphql(
            "variables that nest too deeply",
            format!(r#"{{"query": "{{ __typename }}", "variables": {{"a": {variables}}}}}"#),
        ),
        document("no document", "{ chat(id: "),
        document("a field that is not there", "{ nothing }"),
        document("fragments that explode", &bomb),
        document("too many aliases", &format!("{{ {aliases} }}")),
        document("too deep a document", &deep),
        document("no id", r#"{ chat(id: "x") { id } }"#),
        document(
            "a chat that is not there",
            r#"mutation { deleteChat(input: { id: "000000000000000000000000" }) { deletedChatId } }"#,
        ),
        document(
            "a blank title",
            r#"mutation { createChat(input: { title: " " }) { chat { id } } }"#,
        ),
        document("too large a page", "{ chats(first: 100000) { nodes { id } } }"),
        document("a forged cursor", r#"{ chats(after: "????") { nodes { id } } }"#),
        document(
            "a subscription without a stream",
            r#"subscription { chat(id: "000000000000000000000000") { __typename } }"#,
        ),
        Bad {
            kind: "text/plain",
            ..document("a content type that any page can send", "{ __typename }")
        },
        Bad {
            accept: "image/png",
            ..document("an answer that is a picture", "{ __typename }")
        },
        Bad {
            method: Method::GET,
            path: "/graphql?query=mutation%7BdeleteChat(input%3A%7Bid%3A%22x%22%7D)%7BdeletedChatId%7D%7D",
            ..graphql("a mutation by GET", "")
        },
        rest(
            "REST: half of a JSON object",
            Method::POST,
            "/chat/",
            r#"{"title": "#,
        ),
        rest("REST: no title", Method::POST, "/chat/", "{}"),
        rest("REST: no id", Method::GET, "/chat/x", ""),
        rest("REST: another method", Method::PATCH, "/chat/user/1", "{}"),
        rest("a path that is not there", Method::GET, "/nowhere", ""),
    ]
}
