//! Cursors are what callers say: one that names something foreign leads nowhere.

use colloquy::domain::{ChatCursor, FeedPosition, MessageId, ReplyCursor, TextDigest};
use serde_json::{Value, json};

use super::callers::{Caller, Cast, Things};
use super::faces::graphql_ws::GraphqlWs;
use super::faces::mt::Mt;
use super::guarded::{Guarded, SECRET_WORD};
use crate::on_both_stores;
use crate::support::scratch::Scratch;

on_both_stores! {
    a_cursor_that_names_a_foreign_reply_tells_nothing_of_it,
    the_documented_socket_tells_nothing_of_a_foreign_reply_in_a_cursor,
    a_cursor_of_a_foreign_reply_fits_no_reply_of_ones_own,
}

const FOLLOW: &str = "subscription ($id: ID!, $after: String) { chat(id: $id, after: $after) { __typename
    ... on ChatResync { cursor } ... on MessageAdded { cursor } ... on ChatUpdated { cursor }
    ... on ReplySnapshot { cursor text } ... on ReplyPartial { cursor text } ... on ReplyFinished { cursor } } }";
const RENAME: &str = "mutation ($id: ID!) { updateChat(input: {id: $id, title: \"x\"}) { chat { id } } }";
/// A bot that does not come to an end.
const SLOW: [&str; 4] = ["--builtin-pace", "30", "--builtin-words", "100000"];

/// Two users, each with a chat: one with a reply that grows, and one who is curious.
struct Scene {
    server: Guarded,
    token: String,
    own: String,
    foreign: Things,
}

impl Scene {
    async fn set(scratch: &Scratch) -> Self {
        let server = Guarded::start_with(scratch, &SLOW);
        let cast = Cast::new();
        let foreign = server.furnish_by_asking(&cast).await;
        let token = cast.token(Caller::Other).unwrap();
        let own = server.chat(&token).await;
        Self {
            server,
            token,
            own,
            foreign,
        }
    }

    /// Cursors of the own chat that name a reply, as if nothing or something was told of it.
    fn cursors(&self, reply: &str, position: FeedPosition) -> Vec<String> {
        let id = MessageId::parse(reply).unwrap();
        let told = [
            None,
            Some(TextDigest::empty().cursor()),
            Some(TextDigest::of("x").cursor()),
        ];
        let cursors = told.into_iter().map(|told| ChatCursor {
            position,
            replies: vec![(id, told)],
        });
        cursors.map(|cursor| cursor.encode()).collect()
    }

    /// What a follower of the own chat is told from a cursor on, until the viewer has renamed it twice: types of events,
    /// and the replies that the last cursor names.
    async fn told(&self, after: Option<&str>) -> (Vec<Value>, ChatCursor) {
        let mut line = GraphqlWs::Message
            .acknowledged(&self.server, Some(&self.token))
            .await
            .unwrap();
        let variables = json!({ "id": self.own, "after": after });
        let payload = json!({ "query": FOLLOW, "variables": variables });
        line.send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
            .await;
        if after.is_none() {
            // Where it begins: from then on nothing is missed.
            let event = line.receive().await.json()["payload"]["data"]["chat"].take();
            assert_eq!(event["__typename"], "ChatResync");
            return (vec![], cursor_of(&event));
        }
        let mut events = Vec::new();
        for _ in 0..2 {
            // Answered on the same socket, so nothing is waited for by the clock.
            let variables = json!({ "id": self.own });
            self.server.data(&self.token, RENAME, variables).await;
            loop {
                let mut message = line.receive().await.json();
                assert_eq!(message["type"], "next", "{message}");
                let event = message["payload"]["data"]["chat"].take();
                let is_renamed = event["__typename"] == "ChatUpdated";
                events.push(event);
                if is_renamed {
                    break;
                }
            }
        }
        let cursor = cursor_of(events.last().unwrap());
        (events, cursor)
    }
}

fn cursor_of(event: &Value) -> ChatCursor {
    ChatCursor::decode(event["cursor"].as_str().unwrap()).unwrap()
}

async fn a_cursor_that_names_a_foreign_reply_tells_nothing_of_it(scratch: &Scratch) {
    let scene = Scene::set(scratch).await;
    for reply in [
        &scene.foreign.reply,
        &scene.foreign.message,
        &Things::absent().reply,
    ] {
        for nth in 0..scene.cursors(reply, nowhere()).len() {
            let (_, begun) = scene.told(None).await;
            let cursor = scene.cursors(reply, begun.position).swap_remove(nth);
            let (events, last) = scene.told(Some(&cursor)).await;
            let types: Vec<_> = events.iter().map(|event| &event["__typename"]).collect();
            assert_eq!(types, ["ChatUpdated", "ChatUpdated"], "{cursor}");
            // One that is followed would be in it before anything is told of it.
            assert!(last.replies.is_empty(), "{last:?}");
        }
    }
}

fn nowhere() -> FeedPosition {
    FeedPosition {
        epoch: 0,
        sequence: 0,
    }
}

async fn the_documented_socket_tells_nothing_of_a_foreign_reply_in_a_cursor(scratch: &Scratch) {
    let scene = Scene::set(scratch).await;
    let (_, begun) = scene.told(None).await;
    for position in [begun.position, nowhere()] {
        for cursor in scene.cursors(&scene.foreign.reply, position) {
            let after = format!("&after={cursor}");
            let token = Some(scene.token.as_str());
            let mut line = Mt::Header
                .open(&scene.server, &scene.own, token, &after)
                .await
                .unwrap();
            line.send(json!({ "mt": "stop" })).await;
            let answer = line.receive().await;
            assert_eq!(answer.json()["mt"], "stopped_generation", "{answer:?}");
            // Its own reply is not begun, so whatever streams now is not theirs.
            line.send(json!([])).await;
            let answer = line.receive().await;
            assert_eq!(answer.json()["mt"], "error", "{answer:?}");
            assert!(!answer.body.contains(SECRET_WORD));
        }
    }
}

async fn a_cursor_of_a_foreign_reply_fits_no_reply_of_ones_own(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    let cast = Cast::new();
    let foreign = server.furnish(&cast).await;
    let other = Cast::new();
    let token = other.token(Caller::Owner).unwrap();
    let own = server.furnish(&other).await;
    let cursor: ReplyCursor = TextDigest::of("Say something else").cursor();
    let query =
        "subscription ($id: ID!, $after: String) { reply(messageId: $id, after: $after) { __typename } }";
    for (id, expected) in [
        (&own.reply, Ok("ReplySnapshot")),
        (&foreign.reply, Err("NOT_FOUND")),
    ] {
        let mut line = GraphqlWs::Message
            .acknowledged(&server, Some(&token))
            .await
            .unwrap();
        let variables = json!({ "id": id, "after": cursor.encode() });
        let payload = json!({ "query": query, "variables": variables });
        line.send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
            .await;
        let message = line.receive().await.json();
        match expected {
            Ok(name) => assert_eq!(message["payload"]["data"]["reply"]["__typename"], name),
            Err(code) => assert_eq!(message["payload"][0]["extensions"]["code"], code),
        }
    }
}
