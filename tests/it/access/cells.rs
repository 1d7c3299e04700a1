//! Every cell of every table.

use super::callers::{Caller, Cast};
use super::faces::graphql::Graphql;
use super::faces::graphql_ws::GraphqlWs;
use super::faces::mt::Mt;
use super::faces::rest::Rest;
use super::faces::subscriptions::Subscriptions;
use super::faces::{Face, Outcome, Visit};
use super::guarded::{Guarded, SECRET_WORD};
use crate::on_both_stores;
use crate::support::operation::Transport;
use crate::support::scratch::Scratch;

on_both_stores! {
    graphql_over_http,
    subscriptions_over_every_transport,
    graphql_ws,
    the_documented_rest_api,
    the_documented_socket,
}

async fn graphql_over_http(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    for way in [Graphql::Post, Graphql::Get] {
        hold(&server, &way).await;
    }
}

async fn subscriptions_over_every_transport(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    for transport in [Transport::WebSocket, Transport::Events, Transport::Parts] {
        hold(&server, &Subscriptions(transport)).await;
    }
}

async fn graphql_ws(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    for way in [GraphqlWs::Handshake, GraphqlWs::Message] {
        hold(&server, &way).await;
    }
}

async fn the_documented_rest_api(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    for prefix in ["", "/api/v1"] {
        hold(&server, &Rest { prefix }).await;
    }
}

async fn the_documented_socket(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    for way in [Mt::Header, Mt::Address] {
        hold(&server, &way).await;
    }
}

/// Asks for all that a face has, for each caller, about things that nobody has touched before.
async fn hold<F: Face>(server: &Guarded, face: &F) {
    for row in face.rows() {
        let (operation, sent, cells) = row;
        for (caller, expected) in Caller::ALL.into_iter().zip(cells) {
            let cell = format!("{operation} {sent} for {caller:?}");
            let cast = Cast::new();
            let things = server.furnish(&cast).await;
            if operation == "Query.usage" {
                server.use_the_bot(&cast).await;
            }
            let before = server.state(&things.chat).await;
            let (token, owner) = (cast.token(caller), cast.token(Caller::Owner).unwrap());
            let visit = Visit {
                row: &row,
                things: &things,
                token: token.as_deref(),
                owner: &owner,
            };
            let answer = face.ask(server, &visit).await;
            assert_eq!(face.outcome(&answer), expected, "{cell}: {answer:?}");
            if !caller.may_read() {
                assert!(!answer.body.contains(SECRET_WORD), "{cell}: {answer:?}");
            }
            if expected != Outcome::Done {
                assert_eq!(server.state(&things.chat).await, before, "{cell}");
            }
        }
    }
}
