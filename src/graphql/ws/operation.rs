//! One operation of a socket, to its end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::{Response, ServerError};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::Outgoing;
use super::message::ServerMessage;
use crate::graphql::{count, is_request_error, with_code};

/// Runs one operation. Its next response is asked for when the last one has found room in the outbox, so a slow
/// socket slows its own operations and no other's, and pieces merge instead of queueing.
pub(super) async fn operate(
    id: Arc<str>,
    generation: u64,
    mut responses: BoxStream<'static, Response>,
    outbox: mpsc::Sender<Box<Outgoing>>,
) {
    let message = |text, is_last| {
        Box::new(Outgoing::Of {
            id: id.clone(),
            generation,
            text,
            is_last,
        })
    };
    let mut has_begun = false;
    loop {
        // A panicking resolver must not leave the client waiting.
        let next = AssertUnwindSafe(responses.next()).catch_unwind().await;
        let text = match next {
            Ok(None) => break,
            // A request error: nothing was executed, so the operation never began.
            Ok(Some(response)) if !has_begun && is_request_error(&response) => {
                let text = ServerMessage::Error {
                    id: &id,
                    payload: &response.errors,
                }
                .encode();
                let _ = outbox.send(message(text, true)).await;
                return;
            }
            Ok(Some(response)) => ServerMessage::Next {
                id: &id,
                payload: &response,
            }
            .encode(),
            Err(_) => {
                let payload = &[with_code(
                    ServerError::new("Something went wrong.", None),
                    "INTERNAL",
                )];
                count(payload);
                let text = ServerMessage::Error { id: &id, payload }.encode();
                let _ = outbox.send(message(text, true)).await;
                return;
            }
        };
        has_begun = true;
        if outbox.send(message(text, false)).await.is_err() {
            return;
        }
    }
    let _ = outbox
        .send(message(ServerMessage::Complete { id: &id }.encode(), true))
        .await;
}
