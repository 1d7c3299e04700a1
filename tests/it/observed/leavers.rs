//! Gauges count whoever is there, and clients leave as they please.

use serde_json::json;

use crate::support::figures::Figures;
use crate::support::mt::Mt;
use crate::support::operation::{Operation, Outcome, Transport};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Longer than the test.
const SLOW: [&str; 4] = ["--builtin-pace", "20", "--builtin-words", "20000"];
/// Clients of each kind.
const CLIENTS: usize = 5;

const REPLY: &str = "subscription ($id: ID!) { reply(messageId: $id) { __typename } }";
const CHAT: &str = "subscription ($id: ID!) { chat(id: $id) { __typename } }";

#[tokio::test(flavor = "multi_thread")]
async fn gauges_go_back_however_abruptly_clients_leave() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Tell me about the sea").await;
    let (mut operations, mut sockets) = (Vec::new(), Vec::new());
    for transport in [Transport::WebSocket, Transport::Events, Transport::Parts] {
        for _ in 0..CLIENTS {
            for (query, id) in [(REPLY, &reply), (CHAT, &chat)] {
                let mut operation = Operation::begin(transport, &server, query, json!({ "id": id })).await;
                assert!(matches!(operation.next().await, Outcome::Result(_)));
                operations.push(operation);
            }
        }
    }
    for _ in 0..CLIENTS {
        sockets.push(Mt::open(&server, &chat).await);
    }
    let clients = CLIENTS as f64;
    let expected = [
        ("colloquy_streams_open", "websocket", 2.0 * clients),
        ("colloquy_streams_open", "sse", 2.0 * clients),
        ("colloquy_streams_open", "multipart", 2.0 * clients),
        ("colloquy_streams_open", "mt", clients),
        ("colloquy_followers", "reply", 3.0 * clients),
        ("colloquy_followers", "chat", 4.0 * clients),
    ];
    let are = |figures: &Figures, times: f64| {
        expected
            .iter()
            .all(|(name, kind, count)| figures.sum(name, &[("kind", kind)]) == Some(times * count))
    };
    let figures = Figures::until(&server, |figures| are(figures, 1.0)).await;
    assert_eq!(figures.sum("colloquy_replies_live", &[]), Some(1.0));
    // Without a word, and with what they were sent unread: their lines are reset.
    drop((operations, sockets));
    let figures = Figures::until(&server, |figures| are(figures, 0.0)).await;
    // A client that goes away stops no reply.
    assert_eq!(figures.sum("colloquy_replies_live", &[]), Some(1.0));
    let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { id } } }";
    server.data(stop, json!({ "id": reply })).await;
    let figures = Figures::until(&server, |figures| {
        figures.sum("colloquy_replies_live", &[]) == Some(0.0)
    })
    .await;
    assert_eq!(
        figures.sum("colloquy_replies_total", &[("state", "STOPPED")]),
        Some(1.0)
    );
}
