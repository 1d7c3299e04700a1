//! GraphQL over HTTP, and the page for people.

use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::scratch::Scratch;
use crate::support::server::Server;

const GRAPHQL_JSON: &str = "application/graphql-response+json";

async fn server() -> (Server, Scratch) {
    let scratch = Scratch::embedded().await;
    (Server::start(&scratch), scratch)
}

async fn post(server: &Server, accept: &str, body: Value) -> Response {
    let request = Client::new().post(server.at("/graphql")).header(ACCEPT, accept);
    request.json(&body).send().await.unwrap()
}

fn content_type(response: &Response) -> &str {
    response.headers()[CONTENT_TYPE].to_str().unwrap()
}

async fn code(response: Response) -> Value {
    response.json::<Value>().await.unwrap()["errors"][0]["extensions"]["code"].take()
}

#[tokio::test]
async fn a_query_is_answered_in_the_media_type_that_the_client_accepts() {
    let (server, _scratch) = server().await;
    for (accept, expected) in [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        ("image/png, application/graphql-response+json;q=0.9", GRAPHQL_JSON),
        (
            "application/json;q=0.1, application/graphql-response+json;q=0.2",
            GRAPHQL_JSON,
        ),
    ] {
        let response = post(&server, accept, json!({ "query": "{ viewer { userId } }" })).await;
        assert_eq!(
            (response.status().as_u16(), content_type(&response)),
            (200, expected),
            "{accept}"
        );
        let body: Value = response.json().await.unwrap();
        assert_eq!(body, json!({ "data": { "viewer": { "userId": 1 } } }));
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_we_have_is_told_so() {
    let (server, _scratch) = server().await;
    let response = post(&server, "image/png", json!({ "query": "{ __typename }" })).await;
    assert_eq!(response.status().as_u16(), 406);
    assert_eq!(code(response).await, "BAD_REQUEST");
}

#[tokio::test]
async fn a_request_that_was_not_executed_has_no_data() {
    let (server, _scratch) = server().await;
    for query in ["{", "{ nothing }", "query ($id: ID!) { chat(id: $id) { id } }"] {
        let response = post(&server, GRAPHQL_JSON, json!({ "query": query })).await;
        assert_eq!(response.status().as_u16(), 400, "{query}");
        let body: Value = response.json().await.unwrap();
        assert!(body.get("data").is_none(), "{body}");
    }
    // A mutation before the place where the variable is missing did not run.
    let query = "mutation ($title: String!) { a: createChat(input: {title: \"a\"}) { chat { id } }
        b: createChat(input: {title: $title}) { chat { id } } }";
    assert_eq!(server.code(query, json!({})).await, "GRAPHQL_VALIDATION_FAILED");
    let chats = server.data("{ chats { nodes { id } } }", json!({})).await;
    assert_eq!(chats, json!({ "chats": { "nodes": [] } }));
    // However much is wrong, the answer is short.
    let wrong: String = (0..500).map(|n| format!("x{n} ")).collect();
    let response = post(
        &server,
        GRAPHQL_JSON,
        json!({ "query": format!("{{ viewer {{ {wrong} }} }}") }),
    )
    .await;
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_subscription_needs_a_transport_that_streams_and_a_query_takes_what_there_is() {
    let (server, _scratch) = server().await;
    let query = "subscription { reply(messageId: \"5f7c8ec7c33c6c004bbafe82\") { __typename } }";
    let response = post(&server, "application/json", json!({ "query": query })).await;
    assert_eq!(response.status().as_u16(), 400);
    let query = json!({ "query": "{ __typename }" });
    let response = post(&server, "text/event-stream", query.clone()).await;
    let text = response.text().await.unwrap();
    let result = "event: next\ndata: {\"data\":{\"__typename\":\"Query\"}}\n\n";
    assert!(
        text.starts_with(result) && text.contains("event: complete"),
        "{text}"
    );
    // Clients that speak multipart offer it with every operation.
    let accept = "multipart/mixed;subscriptionSpec=1.0,application/json";
    let response = post(&server, accept, query).await;
    assert_eq!(content_type(&response), "application/json");
}

#[tokio::test]
async fn a_request_error_is_a_400_in_the_newer_media_type_and_a_200_in_the_older() {
    let (server, _scratch) = server().await;
    for (accept, status) in [(GRAPHQL_JSON, 400), ("application/json", 200)] {
        let response = post(&server, accept, json!({ "query": "{ nothing }" })).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(code(response).await, "GRAPHQL_VALIDATION_FAILED");
    }
    // An error of a field is part of a result.
    let query = json!({ "query": "{ chats(first: 101) { nodes { id } } }" });
    let response = post(&server, GRAPHQL_JSON, query).await;
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(code(response).await, "INVALID_PAGE_SIZE");
}

#[tokio::test]
async fn what_is_no_graphql_request_is_refused_with_its_status() {
    let (server, _scratch) = server().await;
    let query = r#"{"query":"{ __typename }"}"#.to_owned();
    let large = format!(
        r#"{{"query":"{{ __typename }}","variables":{{"x":"{}"}}}}"#,
        "x".repeat(256 * 1024)
    );
    for (kind, body, status) in [
        ("application/json; charset=utf-8", query.clone(), 200),
        // What a page of another site can send without being allowed to.
        ("text/plain", query.clone(), 415),
        (
            "application/x-www-form-urlencoded",
            "query={__typename}".to_owned(),
            415,
        ),
        ("application/json; charset=utf-16", query, 415),
        ("application/json", "{".to_owned(), 400),
        ("application/json", "[]".to_owned(), 400),
        ("application/json", "{}".to_owned(), 400),
        ("application/json", r#"{"query":7}"#.to_owned(), 400),
        (
            "application/json",
            r#"{"query":"{a}","variables":[]}"#.to_owned(),
            400,
        ),
        ("application/json", "[".repeat(200_000), 400),
        ("application/json", large, 413),
    ] {
        let request = Client::new()
            .post(server.at("/graphql"))
            .header(CONTENT_TYPE, kind);
        let response = request.body(body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{kind}");
    }
}

#[tokio::test]
async fn queries_may_come_by_get_and_mutations_may_not() {
    let (server, _scratch) = server().await;
    let get = async |parameters: &[(&str, &str)]| {
        let url = reqwest::Url::parse_with_params(&server.at("/graphql"), parameters).unwrap();
        Client::new().get(url).send().await.unwrap()
    };
    let query = "query A($id: ID!) { node(id: $id) { id } } mutation B { createChat(input: {title: \"x\"}) { chat { id } } }";
    let variables = ("variables", r#"{"id":"5f7c8ec7c33c6c004bbafe82"}"#);
    let response = get(&[("query", query), variables, ("operationName", "A")]).await;
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!({ "data": { "node": null } })
    );

    let response = get(&[("query", query), ("operationName", "B")]).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()[ALLOW]),
        (405, &"POST".parse().unwrap())
    );
    let chats = server.data("{ chats { nodes { id } } }", json!({})).await;
    assert_eq!(chats, json!({ "chats": { "nodes": [] } }));

    assert_eq!(
        get(&[("query", "{ __typename }"), ("variables", "{")])
            .await
            .status()
            .as_u16(),
        400
    );
    assert_eq!(get(&[]).await.status().as_u16(), 400);
}

#[tokio::test]
async fn a_browser_gets_graphiql_and_everything_it_loads_from_this_server_alone() {
    let (server, _scratch) = server().await;
    let client = Client::new();
    let get = async |path: &str| {
        let request = client.get(server.at(path)).header(ACCEPT, "text/html,*/*");
        request.send().await.unwrap()
    };
    let page = get("/graphql").await;
    assert_eq!(page.status().as_u16(), 200);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'self'") && !policy.contains("http"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    let links = ["src=\"", "href=\""]
        .map(|attribute| page.split(attribute).skip(1))
        .into_iter()
        .flatten();
    let links: Vec<_> = links.filter_map(|rest| rest.split('"').next()).collect();
    let scripts = links.iter().filter(|link| link.ends_with(".js")).count();
    assert!(scripts > 0, "the page was not built; run `make web`");
    for link in links.into_iter().filter(|link| !link.starts_with("data:")) {
        assert!(link.starts_with("/assets/"), "{link}");
        assert_eq!(get(link).await.status().as_u16(), 200, "{link}");
    }
    assert_eq!(get("/assets/../Cargo.toml").await.status().as_u16(), 404);
    assert_eq!(
        get("/assets/%2e%2e/%2e%2e/etc/passwd").await.status().as_u16(),
        404
    );
}

#[tokio::test]
async fn health_tells_that_the_server_lives_and_its_store_answers() {
    let (server, _scratch) = server().await;
    for path in ["/health", "/health/live", "/health/ready"] {
        let response = reqwest::get(server.at(path)).await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        assert_eq!(response.json::<Value>().await.unwrap()["status"], "healthy");
    }
}
