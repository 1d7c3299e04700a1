//! What is foreign looks like what is not there.

use super::callers::{Caller, Cast, Things};
use super::faces::graphql::Graphql;
use super::faces::graphql_ws::GraphqlWs;
use super::faces::mt::Mt;
use super::faces::rest::{Rest, leads_to_a_message};
use super::faces::subscriptions::Subscriptions;
use super::faces::{Face, Row, Visit};
use super::guarded::{Answer, Guarded};
use crate::on_both_stores;
use crate::support::operation::Transport;
use crate::support::scratch::Scratch;

on_both_stores! {
    a_foreign_chat_and_all_in_it_look_like_nothing_on_every_face,
    a_foreign_message_looks_like_none_by_way_of_ones_own_chat,
    nobody_is_seen_in_a_foreign_chat_or_is_there,
}

/// A bot that does not come to an end.
const SLOW: [&str; 4] = ["--builtin-pace", "30", "--builtin-words", "100000"];

async fn a_foreign_chat_and_all_in_it_look_like_nothing_on_every_face(scratch: &Scratch) {
    let server = Guarded::start_with(scratch, &SLOW);
    let cast = Cast::new();
    // With a reply that grows, so that there is something to stop and to follow.
    let foreign = server.furnish_by_asking(&cast).await;
    for caller in [Caller::Other, Caller::Anonymous] {
        let scene = Scene {
            server: &server,
            cast: &cast,
            foreign: &foreign,
            caller,
        };
        scene.play(&Graphql::Post).await;
        scene.play(&Graphql::Get).await;
        for transport in [Transport::WebSocket, Transport::Events, Transport::Parts] {
            scene.play(&Subscriptions(transport)).await;
        }
        scene.play(&GraphqlWs::Message).await;
        scene.play(&GraphqlWs::Handshake).await;
        scene.play(&Rest { prefix: "" }).await;
        scene.play(&Mt::Header).await;
    }
    let state = server.state(&foreign.chat).await;
    assert_eq!(state["chat"]["activeReply"]["id"], foreign.reply);
    assert_eq!(state["chat"]["messages"]["nodes"].as_array().unwrap().len(), 2);
}

/// One who asks about things of somebody else's.
struct Scene<'a> {
    server: &'a Guarded,
    cast: &'a Cast,
    foreign: &'a Things,
    caller: Caller,
}

impl Scene<'_> {
    /// Asks for everything that names a thing, once about what is foreign and once about what is not there.
    async fn play<F: Face>(&self, face: &F) {
        let rows = face.rows().into_iter();
        for row in rows.filter(|row| self.foreign.are_named_in(row.0) || self.foreign.are_named_in(row.1)) {
            self.compare(face, &row, self.foreign, &Things::absent()).await;
        }
    }

    async fn compare<F: Face>(&self, face: &F, row: &Row, foreign: &Things, absent: &Things) {
        let of_foreign = self.ask(face, row, foreign).await;
        let of_absent = self.ask(face, row, absent).await;
        assert_eq!(of_foreign, of_absent, "{row:?} for {:?}", self.caller);
    }

    async fn ask<F: Face>(&self, face: &F, row: &Row, things: &Things) -> Answer {
        let (token, owner) = (
            self.cast.token(self.caller),
            self.cast.token(Caller::Owner).unwrap(),
        );
        let visit = Visit {
            row,
            things,
            token: token.as_deref(),
            owner: &owner,
        };
        let answer = face.ask(self.server, &visit).await;
        Answer {
            body: things.hide(&answer.body),
            ..answer
        }
    }
}

async fn a_foreign_message_looks_like_none_by_way_of_ones_own_chat(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    let cast = Cast::new();
    let theirs = server.furnish(&cast).await;
    let before = server.state(&theirs.chat).await;
    let own = server.chat(&cast.token(Caller::Other).unwrap()).await;
    let in_own_chat = |things: Things| Things {
        chat: own.clone(),
        ..things
    };
    let (foreign, absent) = (in_own_chat(theirs.clone()), in_own_chat(Things::absent()));
    let face = Rest { prefix: "" };
    let scene = Scene {
        server: &server,
        cast: &cast,
        foreign: &foreign,
        caller: Caller::Other,
    };
    for row in face.rows().iter().filter(|row| leads_to_a_message(row)) {
        scene.compare(&face, row, &foreign, &absent).await;
        let answer = scene.ask(&face, row, &foreign).await;
        let told = (answer.status, answer.body.as_str());
        assert_eq!(told, (404, r#"{"detail":"Message not found"}"#), "{row:?}");
    }
    assert_eq!(server.state(&theirs.chat).await, before);
}

/// A socket of a chat that is not one's own is opened like one of no chat, and counts as little.
async fn nobody_is_seen_in_a_foreign_chat_or_is_there(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    let cast = Cast::new();
    let things = server.furnish(&cast).await;
    let (owner, other) = (cast.token(Caller::Owner), cast.token(Caller::Other));
    let _strangers = Mt::Header
        .open(&server, &things.chat, other.as_deref(), "")
        .await
        .unwrap();
    let path = things.fill("/chat/ws/CHAT/status");
    let count = async |token: &Option<String>| {
        let request = server.request("get", &path, token.as_deref());
        server.answer(request).await.json()["connection_count"].clone()
    };
    assert_eq!(count(&owner).await, 0);
    let _owners = Mt::Address
        .open(&server, &things.chat, owner.as_deref(), "")
        .await
        .unwrap();
    assert_eq!(count(&owner).await, 1);
    assert_eq!(count(&other).await, 0);
}
