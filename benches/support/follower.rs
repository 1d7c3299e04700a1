//! One who waits for the end of a reply.

use std::time::Instant;

use tokio::sync::oneshot;

use super::server::Server;
use super::socket::{follow, next_event};

/// One who follows a reply over a socket of its own.
pub struct Follower {
    ended: oneshot::Receiver<Instant>,
}

impl Follower {
    /// Follows a reply, and returns with the first of its text.
    pub async fn start(server: &Server, reply: &str) -> Self {
        let mut socket = follow(server, reply).await;
        let mut event = next_event(&mut socket).await;
        while event["text"].as_str().unwrap().is_empty() {
            event = next_event(&mut socket).await;
        }
        let (tell, ended) = oneshot::channel();
        tokio::spawn(async move {
            while next_event(&mut socket).await["__typename"] != "ReplyFinished" {}
            // Whoever measures may have given up.
            let _ = tell.send(Instant::now());
        });
        Self { ended }
    }

    /// Waits until the follower is told that the reply has ended: when that was.
    pub async fn ended(self) -> Instant {
        self.ended.await.expect("the follower failed")
    }
}
