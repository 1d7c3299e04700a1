//! Subscriptions on which nothing happens: what each keeps resident.

use futures_util::{StreamExt, stream};

use super::Stage;
use crate::data::QUIET_CHATS;
use crate::driver::sockets::Socket;
use crate::report::{Figures, Report, Subject};

/// Sockets that are opened at once.
const OPENED_AT_ONCE: usize = 32;

/// Measures it.
pub async fn measure(stage: &Stage, report: &mut Report) {
    let name = "10,000 idle subscriptions, each of a chat of its own";
    if !report.wants(name) {
        return;
    }
    let subscriptions = QUIET_CHATS as f64;
    let before = stage.baseline.resident();
    let open = stream::iter(0..QUIET_CHATS).map(|_| Socket::broadcast(&stage.baseline));
    let open: Vec<_> = open.buffer_unordered(OPENED_AT_ONCE).collect().await;
    let thin = stage.baseline.resident() - before;
    drop(open);

    let before = stage.server.resident();
    let open = stream::iter(&stage.data.quiet_chats).map(async |chat| {
        let mut socket = Socket::graphql(&stage.server).await;
        socket.listen(&chat.to_hex()).await;
        socket
    });
    let open: Vec<_> = open.buffer_unordered(OPENED_AT_ONCE).collect().await;
    let ours = stage.server.resident() - before;
    drop(open);
    for (subject, bytes) in [(Subject::Baseline, thin), (Subject::Graphql, ours)] {
        report.add(name, subject, Figures::of_bytes(bytes as f64 / subscriptions));
    }
}
