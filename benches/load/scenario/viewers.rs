//! One reply that many watch: what a piece costs for each viewer.

use std::time::Duration;

use serde_json::to_value;
use tokio::task::JoinSet;

use super::Stage;
use super::replies::{PACE, figures, question, watch};
use crate::driver::calls::Call;
use crate::driver::sockets::Socket;
use crate::report::{Report, Subject};

const ROUNDS: usize = 2;

/// Measures all of them.
pub async fn measure(stage: &Stage, report: &mut Report) {
    contest(stage, report, "1 reply to 1 viewer", 1).await;
    contest(stage, report, "1 reply to 200 viewers", 200).await;
}

async fn contest(stage: &Stage, report: &mut Report, name: &str, viewers: usize) {
    let name = &format!("{name}, {PACE} pieces a second, against a bare broadcast");
    if !report.wants(name) {
        return;
    }
    let (mut thin, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let question = question(Duration::ZERO, PACE);
        let mut readings = JoinSet::new();
        for _ in 0..viewers {
            let socket = Socket::broadcast(&stage.baseline).await;
            readings.spawn(socket.read(question, stage.origin));
        }
        let ask = Call::post(&stage.baseline, "/broadcast", &to_value(question).unwrap());
        ask.answered().await;
        thin.push(watch(&stage.baseline, readings).await);

        let mut readings = JoinSet::new();
        let reply = Socket::graphql(&stage.server)
            .await
            .send_message(&stage.silent_chat(), question)
            .await;
        for _ in 0..viewers {
            let mut socket = Socket::graphql(&stage.server).await;
            socket.follow(&reply).await;
            readings.spawn(socket.read(question, stage.origin));
        }
        ours.push(watch(&stage.server, readings).await);
    }
    report.add(name, Subject::Baseline, figures(&thin));
    report.add(name, Subject::Graphql, figures(&ours));
}
