//! Whom the documented REST API takes a user id for.

use serde_json::{Value, json};

use super::guarded::Guarded;
use crate::on_both_stores;
use crate::support::scratch::Scratch;
use crate::support::tokens::{SERVICE_SCOPE, Token};

on_both_stores! {
    a_chat_without_a_user_is_the_callers,
    ones_own_id_is_oneself_also_where_it_reads_as_a_number,
    a_number_is_not_the_text_of_it,
}

impl Guarded {
    async fn post_chat(&self, token: &str, body: Value) -> (u16, Value) {
        let request = self.request("post", "/chat/", Some(token)).json(&body);
        let answer = self.answer(request).await;
        (answer.status, answer.json())
    }

    async fn list(&self, token: &str, user: &str) -> (u16, Value) {
        let request = self.request("get", &format!("/chat/user/{user}"), Some(token));
        let answer = self.answer(request).await;
        (answer.status, answer.json())
    }
}

fn refusal() -> (u16, Value) {
    let detail = "Access denied: You can only access your own chats";
    (403, json!({ "detail": detail }))
}

/// Late clients name nobody.
async fn a_chat_without_a_user_is_the_callers(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    for user in [json!("auth0|7"), json!("7"), json!(7)] {
        for is_service in [false, true] {
            let token = Token::of(user.clone());
            let token = match is_service {
                true => token.scope(SERVICE_SCOPE).signed(),
                false => token.signed(),
            };
            let body = json!({ "document_id": null, "title": "Late", "status": "pending" });
            let (status, made) = server.post_chat(&token, body).await;
            assert_eq!(status, 200, "{made}");
            let path = format!("/chat/{}", made["data"]["chat_id"].as_str().unwrap());
            let request = server.request("get", &path, Some(&token));
            assert_eq!(server.answer(request).await.json()["user_id"], user);
        }
    }
    // What is there is read all the same.
    let token = Token::of("auth0|7").signed();
    for (body, field) in [
        (json!({ "user_id": null, "title": "t" }), "user_id"),
        (json!({ "user_id": "", "title": "t" }), "user_id"),
        (json!({}), "title"),
    ] {
        let (status, refusal) = server.post_chat(&token, body).await;
        assert_eq!(status, 422);
        assert_eq!(refusal["detail"][0]["loc"], json!(["body", field]), "{refusal}");
        assert_eq!(refusal["detail"].as_array().unwrap().len(), 1);
    }
}

/// Identity providers issue ids that are numbers, as text; in a path there is nothing but text.
async fn ones_own_id_is_oneself_also_where_it_reads_as_a_number(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    for user in ["123", "0123", "9223372036854775808", "-1", " 7"] {
        let token = Token::of(user).signed();
        let (status, made) = server
            .post_chat(&token, json!({ "user_id": user, "title": user }))
            .await;
        assert_eq!(status, 200, "{user} {made}");
        let (status, list) = server.list(&token, &user.replace(' ', "%20")).await;
        assert_eq!(status, 200, "{user} {list}");
        assert_eq!(
            (&list["total"], &list["chats"][0]["user_id"]),
            (&json!(1), &json!(user))
        );
    }
    let token = Token::of(123).signed();
    server
        .post_chat(&token, json!({ "user_id": "123", "title": "t" }))
        .await;
    for path in ["123", "0123"] {
        let (status, list) = server.list(&token, path).await;
        assert_eq!((status, &list["chats"][0]["user_id"]), (200, &json!(123)));
    }
}

async fn a_number_is_not_the_text_of_it(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    let (text, number) = (Token::of("123").signed(), Token::of(123).signed());
    for token in [&text, &number] {
        server.post_chat(token, json!({ "title": "t" })).await;
    }
    assert_eq!(server.list(&text, "0123").await, refusal());
    let by_number = json!({ "user_id": 123, "title": "t" });
    assert_eq!(server.post_chat(&text, by_number).await, refusal());
    for (token, own, foreign) in [
        (&text, json!("123"), json!(123)),
        (&number, json!(123), json!("123")),
    ] {
        let query = "query ($user: UserId) { chats(userId: $user) { nodes { userId } } }";
        let ask = async |user: &Value| {
            let body = json!({ "query": query, "variables": { "user": user } });
            let request = server.request("post", "/graphql", Some(token)).json(&body);
            server.answer(request).await.json()
        };
        assert_eq!(
            ask(&own).await["data"]["chats"]["nodes"],
            json!([{ "userId": own }])
        );
        assert_eq!(
            ask(&foreign).await["errors"][0]["extensions"]["code"],
            "FORBIDDEN"
        );
    }
}
