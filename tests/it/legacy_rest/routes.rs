//! Where the API is, and who may call it.

use reqwest::redirect::Policy;
use serde_json::json;

use super::client::{Client, is_date_time};
use crate::support::scratch::Scratch;

#[tokio::test]
async fn every_route_is_below_both_prefixes() {
    let scratch = Scratch::embedded().await;
    let mut client = Client::start(&scratch);
    let chat = client.any_chat().await;
    let message = client.message(&chat, json!({ "message": "m" })).await;
    let paths = [
        format!("/chat/{chat}"),
        format!("/chat/{chat}/full"),
        format!("/chat/{chat}/messages"),
        format!("/chat/{chat}/messages/{message}"),
        "/chat/user/1".to_owned(),
    ];
    for path in &paths {
        client.below("");
        let documented = client.get(path).await;
        client.below("/api/v1");
        assert_eq!(client.get(path).await, documented);
    }
    client.any_chat().await;
    assert_eq!(client.get("/chat/user/1").await["total"], 2);
}

#[tokio::test]
async fn the_second_prefix_is_another_or_none_when_told_so() {
    for (prefix, is_there, is_not) in [("/old/api", "/old/api", "/api/v1"), ("", "", "/api/v1")] {
        let scratch = Scratch::embedded().await;
        let mut client = Client::start_with(&scratch, &["--legacy-prefix", prefix]);
        for prefix in ["", is_there] {
            client.below(prefix);
            client.get("/chat/user/1").await;
        }
        client.below(is_not);
        assert_eq!(client.bare("GET", "/chat/user/1").await.status, 404);
    }
}

#[tokio::test]
async fn the_wrong_form_of_a_path_leads_to_the_right_one_with_method_and_body() {
    let scratch = Scratch::embedded().await;
    let mut client = Client::start(&scratch);
    let chat = client.any_chat().await;
    let message = client.message(&chat, json!({ "message": "m" })).await;
    let http = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()
        .unwrap();
    for (path, right) in [
        ("/chat".to_owned(), "/chat/".to_owned()),
        (
            "/chat/user/1/?page=2".to_owned(),
            "/chat/user/1?page=2".to_owned(),
        ),
        (format!("/chat/{chat}/"), format!("/chat/{chat}")),
        (format!("/chat/{chat}/full/"), format!("/chat/{chat}/full")),
        (
            format!("/chat/{chat}/messages/"),
            format!("/chat/{chat}/messages"),
        ),
        (
            format!("/chat/{chat}/messages/{message}/"),
            format!("/chat/{chat}/messages/{message}"),
        ),
        (
            format!("/chat/{chat}/messages/{message}/reaction/?reaction=%26"),
            format!("/chat/{chat}/messages/{message}/reaction?reaction=%26"),
        ),
    ] {
        for prefix in ["", "/api/v1"] {
            let url = client.server.at(&format!("{prefix}{path}"));
            let response = http.post(url).send().await.unwrap();
            assert_eq!(response.status().as_u16(), 307, "{path}");
            assert_eq!(response.headers()["location"], format!("{prefix}{right}"));
        }
    }
    // Followed, as every client does.
    client.below("/api/v1");
    let made = client
        .call("POST", "/chat", json!({ "user_id": 5, "title": "t" }))
        .await
        .ok();
    assert_eq!(made["success"], true);
    let path = format!("/chat/{chat}/messages/{message}");
    let changed = client
        .call("PUT", &format!("{path}/"), json!({ "message": "n" }))
        .await;
    assert_eq!(changed.ok()["success"], true);
    assert_eq!(client.get(&path).await["message"], "n");
}

#[tokio::test]
async fn the_routes_of_users_win_over_those_of_chats() {
    let scratch = Scratch::embedded().await;
    let client = Client::start(&scratch);
    for path in ["/chat/user/messages", "/chat/user/full", "/chat/user/1"] {
        assert_eq!(client.get(path).await["total"], 0, "{path}");
    }
    let answer = client.bare("GET", "/chat/user").await;
    assert_eq!(answer.both(), (404, json!({ "detail": "Chat not found" })));
}

#[tokio::test]
async fn date_times_have_no_zone_unless_told_so() {
    for (arguments, suffix) in [(&[][..], ""), (&["--legacy-utc-suffix"], "Z")] {
        let scratch = Scratch::embedded().await;
        let client = Client::start_with(&scratch, arguments);
        let chat = client.any_chat().await;
        client.message(&chat, json!({ "message": "m" })).await;
        let full = client.get(&format!("/chat/{chat}/full")).await;
        let (chat, message) = (&full["chat"], &full["messages"][0]);
        for time in [
            &chat["created_at"],
            &chat["updated_at"],
            &message["created_ts"],
            &message["updated_ts"],
        ] {
            let time = time.as_str().unwrap();
            assert!(is_date_time(time.strip_suffix(suffix).unwrap()), "{time}");
        }
    }
}

#[tokio::test]
async fn health_is_told_in_the_documented_way() {
    let scratch = Scratch::embedded().await;
    let client = Client::start(&scratch);
    assert_eq!(client.get("/health").await["status"], "healthy");
}

#[tokio::test]
async fn pages_of_the_origins_that_are_let_in_may_call_the_api_and_no_others() {
    let scratch = Scratch::embedded().await;
    let origins = ["--cors-origin", "http://localhost:3000,https://chat.example.org"];
    let client = Client::start_with(&scratch, &origins);
    let http = reqwest::Client::new();
    let preflight = async |path: &str, origin: &str| {
        http.request(reqwest::Method::OPTIONS, client.server.at(path))
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "content-type,x-anything")
            .send()
            .await
            .unwrap()
    };
    for path in [
        "/chat/",
        "/api/v1/chat/",
        "/chat/a/messages/b",
        "/chat",
        "/graphql",
    ] {
        for origin in ["http://localhost:3000", "https://chat.example.org"] {
            let response = preflight(path, origin).await;
            let headers = response.headers();
            assert_eq!(response.status().as_u16(), 200, "{path}");
            assert_eq!(headers["access-control-allow-origin"], origin);
            assert_eq!(headers["access-control-allow-credentials"], "true");
            assert_eq!(headers["access-control-allow-headers"], "content-type,x-anything");
            let methods = headers["access-control-allow-methods"].to_str().unwrap();
            assert!(
                ["PUT", "DELETE", "POST"]
                    .iter()
                    .all(|method| methods.contains(method))
            );
        }
        let response = preflight(path, "http://localhost:3001").await;
        assert_eq!(response.status().as_u16(), 400);
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        assert_eq!(response.text().await.unwrap(), "Disallowed CORS origin");
    }
    let request = http.get(client.server.at("/chat/user/1"));
    let response = request
        .header("origin", "http://localhost:3000")
        .send()
        .await
        .unwrap();
    assert_eq!(
        response.headers()["access-control-allow-origin"],
        "http://localhost:3000"
    );
}
