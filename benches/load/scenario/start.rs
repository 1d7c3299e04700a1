//! How soon a server answers that is started, and what it keeps resident when nobody asks.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Stage;
use crate::driver::calls::Call;
use crate::process::Process;
use crate::report::{Figures, Report, Subject};

const STARTS: usize = 20;
/// How long an idle server is left alone before it is looked at.
const IDLE: Duration = Duration::from_secs(3);

/// Measures it.
pub async fn measure(stage: &Stage, report: &mut Report) {
    let name = "from the start to the first answer, then idle";
    if !report.wants(name) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut thin, mut ours) = (Vec::new(), Vec::new());
    for nth in 0..STARTS {
        let begun = Instant::now();
        let baseline = Process::baseline(&stage.data, &stage.upstream);
        Call::get(&baseline, "/health").answered().await;
        thin.push(begun.elapsed());

        let begun = Instant::now();
        let server = Process::embedded(&stage.program, &folder.path().join(nth.to_string()));
        let create = r#"mutation { createChat(input: {title: "A chat"}) { chat { id } } }"#;
        let answer = Call::post(&server, "/graphql", &json!({ "query": create }))
            .first()
            .await;
        ours.push(begun.elapsed());
        assert!(answer["data"]["createChat"]["chat"]["id"].is_string(), "{answer}");
    }
    let baseline = Process::baseline(&stage.data, &stage.upstream);
    let server = Process::embedded(&stage.program, &folder.path().join("idle"));
    tokio::time::sleep(IDLE).await;
    for (subject, process, took) in [
        (Subject::Baseline, baseline, thin),
        (Subject::Graphql, server, ours),
    ] {
        let figures = Figures::of_bytes(process.resident() as f64);
        report.add(name, subject, figures.with_latencies(&took));
    }
}
