//! The tables have a row for everything that the server does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

use super::faces::{Row, graphql, graphql_ws, mt, rest, subscriptions};
use super::guarded::Guarded;
use crate::support::scratch::Scratch;
use crate::support::sources::sources;

/// What is shown to whoever asks, because there is nothing of anybody's in it: paths, with a media type to ask for, and
/// the status. `/graphql` alone is the page; what is asked for there is in tables, as is all below `/chat`.
const PUBLIC: [(&str, &str, u16); 9] = [
    ("/", "text/html", 200),
    ("/graphql", "text/html", 200),
    ("/assets/{*path}", "*/*", 404),
    ("/health", "*/*", 200),
    ("/health/live", "*/*", 200),
    ("/health/ready", "*/*", 200),
    ("/openapi.json", "*/*", 200),
    ("/docs", "text/html", 200),
    ("/redoc", "text/html", 200),
];

/// Paths that are routed by hand, and have tables.
const IN_TABLES: [&str; 2] = ["/chat/ws/{chat_id}", "/chat/ws/{chat_id}/status"];

/// Fails for each of these operations that has no row, and for each row of no operation.
fn check(operations: impl IntoIterator<Item = String>, rows: &[Row]) {
    let rows: BTreeSet<_> = rows
        .iter()
        .map(|(operation, ..)| (*operation).to_owned())
        .collect();
    let operations: BTreeSet<_> = operations.into_iter().collect();
    assert!(!operations.is_empty());
    for operation in &operations {
        assert!(rows.contains(operation), "no row for {operation}");
    }
    for row in &rows {
        assert!(operations.contains(row), "no operation for the row {row}");
    }
}

#[test]
fn every_field_of_the_schemas_roots_has_a_row() {
    let schema = parse_schema(colloquy::graphql::sdl()).unwrap();
    let roots = ["Query", "Mutation", "Subscription"];
    let mut fields = Vec::new();
    for definition in schema.definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let name = definition.node.name.node.to_string();
        if let TypeKind::Object(object) = definition.node.kind
            && roots.contains(&name.as_str())
        {
            let names = object.fields.into_iter().map(|field| field.node.name.node);
            fields.extend(names.map(|field| format!("{name}.{field}")));
        }
    }
    check(fields, &[graphql::ROWS, subscriptions::ROWS].concat());
}

#[tokio::test]
async fn every_route_that_is_described_has_a_row() {
    let scratch = Scratch::embedded().await;
    let server = Guarded::start(&scratch);
    let request = server.request("get", "/openapi.json", None);
    let description = server.answer(request).await.json();
    let paths = description["paths"].as_object().unwrap().iter();
    let routes = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{method} {path}"))
    });
    check(routes, rest::ROWS);
}

/// The variants of an enum of the sources.
fn variants(file: &str, name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
    let mut enums = file.items.into_iter().filter_map(|item| match item {
        syn::Item::Enum(item) if item.ident == name => Some(item),
        _ => None,
    });
    let variants = enums.next().unwrap().variants.into_iter();
    variants.map(|variant| variant.ident.to_string()).collect()
}

#[test]
fn every_message_of_a_socket_has_a_row() {
    let messages = variants("src/graphql/ws/message.rs", "ClientMessage");
    check(messages.clone(), graphql_ws::ROWS_BY_HANDSHAKE);
    check(messages, graphql_ws::ROWS_BY_MESSAGE);
    check(variants("src/legacy/frame/client.rs", "ClientFrame"), mt::ROWS);
}

/// Routes outside of the API's description are found by the text of the sources.
#[tokio::test]
async fn every_other_route_is_public_or_in_a_table() {
    let sources = sources();
    let routed = sources
        .iter()
        .flat_map(|source| source.text.split(".route(\"").skip(1));
    let routed: BTreeSet<_> = routed.filter_map(|behind| behind.split('"').next()).collect();
    let public = PUBLIC.iter().map(|(path, ..)| *path);
    assert_eq!(routed, public.chain(IN_TABLES).collect());

    let scratch = Scratch::embedded().await;
    let server = Guarded::start(&scratch);
    for (path, accept, status) in PUBLIC {
        let request = server.request("get", path, None).header("accept", accept);
        assert_eq!(server.answer(request).await.status, status, "{path}");
    }
}

/// What leads elsewhere, or nowhere, is told to nobody who has no token.
#[tokio::test]
async fn below_the_documented_path_everything_asks_for_a_token() {
    let scratch = Scratch::embedded().await;
    let server = Guarded::start(&scratch);
    for (method, path) in [
        ("get", "/chat"),
        ("patch", "/chat/"),
        ("get", "/chat/5f5f5f5f5f5f5f5f5f5f5f5f/"),
        ("patch", "/chat/5f5f5f5f5f5f5f5f5f5f5f5f"),
        ("head", "/chat/5f5f5f5f5f5f5f5f5f5f5f5f"),
        ("get", "/chat/no-id"),
        ("post", "/chat/no-id/messages"),
        ("get", "/api/v1/chat"),
    ] {
        let answer = server.answer(server.request(method, path, None)).await;
        assert!(answer.asks_for_a_token(), "{method} {path}: {answer:?}");
    }
}
