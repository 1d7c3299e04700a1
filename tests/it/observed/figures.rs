//! What `/metrics` tells of what happened.

use std::collections::BTreeSet;

use colloquy::telemetry::names::{Kind, METRICS};
use reqwest::{Client, Method};
use serde_json::json;

use crate::on_both_stores;
use crate::support::figures::Figures;
use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores!(the_figures_tell_what_happened);

async fn the_figures_tell_what_happened(scratch: &Scratch) {
    let server = Server::start(scratch);
    let before = Figures::of(&server).await;
    // What has not happened yet is 0, so that the first time is seen as a growth.
    for state in [
        "COMPLETE",
        "LENGTH",
        "STOPPED",
        "TRUNCATED",
        "FAILED",
        "INTERRUPTED",
    ] {
        assert_eq!(
            before.sum("colloquy_replies_total", &[("state", state)]),
            Some(0.0)
        );
    }
    assert_eq!(before.sum("colloquy_errors_total", &[]), None);

    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Tell me about the sea").await;
    let (text, _) = follow(&server, &reply).await;
    let none = "000000000000000000000000";
    let query = "{ viewer { isAnonymous } nothing }";
    assert_eq!(server.code(query, json!({})).await, "GRAPHQL_VALIDATION_FAILED");
    let query = "mutation { deleteMessage(input: {id: \"none\"}) { deletedMessageId } }";
    assert_eq!(server.code(query, json!({})).await, "INVALID_ID");
    let missing = reqwest::get(server.at(&format!("/chat/{none}"))).await.unwrap();
    assert_eq!(missing.status(), 404);
    let client = Client::new();
    let brewed = client.request(Method::from_bytes(b"BREW").unwrap(), server.at("/of/a/stranger"));
    assert_eq!(brewed.send().await.unwrap().status(), 404);

    let figures = Figures::until(&server, |figures| {
        figures.sum("colloquy_replies_live", &[]) == Some(0.0)
            && figures.sum("colloquy_streams_open", &[]) == Some(0.0)
    })
    .await;
    let is = |name, labels: &[(&str, &str)], value: f64| {
        assert_eq!(figures.sum(name, labels), Some(value), "{name} {labels:?}");
    };
    is("colloquy_replies_total", &[("state", "COMPLETE")], 1.0);
    is("colloquy_replies_total", &[], 1.0);
    is("colloquy_reply_first_piece_seconds_count", &[], 1.0);
    is("colloquy_reply_overhead_seconds_count", &[], 1.0);
    is("colloquy_replies_unstored", &[], 0.0);
    is("colloquy_followers", &[], 0.0);
    is("colloquy_streams_max", &[], 20_000.0);
    is("colloquy_ready", &[], 1.0);
    is("colloquy_feed_up", &[], 1.0);
    is(
        "colloquy_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    is(
        "colloquy_errors_total",
        &[("face", "graphql"), ("code", "GRAPHQL_VALIDATION_FAILED")],
        1.0,
    );
    is(
        "colloquy_errors_total",
        &[("face", "graphql"), ("code", "INVALID_ID")],
        1.0,
    );
    is(
        "colloquy_errors_total",
        &[("face", "rest"), ("code", "NOT_FOUND")],
        1.0,
    );
    is("colloquy_errors_total", &[], 3.0);
    let route = ("route", "/chat/{chat_id}");
    is(
        "colloquy_http_request_seconds_count",
        &[route, ("method", "GET"), ("status", "404")],
        1.0,
    );
    let stray = [("route", "unmatched"), ("method", "OTHER"), ("status", "404")];
    is("colloquy_http_request_seconds_count", &stray, 1.0);
    is(
        "colloquy_http_request_seconds_count",
        &[("route", "/graphql"), ("status", "101")],
        1.0,
    );
    for operation in ["begin_exchange", "insert_chat"] {
        is(
            "colloquy_store_operation_seconds_count",
            &[("operation", operation)],
            1.0,
        );
    }
    assert_eq!(figures.sum("colloquy_store_errors_total", &[]), None);
    let pieces = figures.sum("colloquy_reply_pieces_total", &[]).unwrap();
    assert!(pieces > 1.0 && pieces <= text.len() as f64, "{pieces}");
    let tokens = |kind| {
        figures
            .sum("colloquy_reply_tokens_total", &[("kind", kind)])
            .unwrap()
    };
    assert!(tokens("prompt") > 1.0 && tokens("completion") > 1.0);
    assert!(figures.sum("process_resident_memory_bytes", &[]).unwrap() > 1e6);
    assert!(
        !figures.text.contains("stranger") && !figures.text.contains(none) && !figures.text.contains(&chat)
    );

    every_figure_is_described(&figures);
}

/// Each series has the name, the kind and the labels that are promised, and nothing else is told.
fn every_figure_is_described(figures: &Figures) {
    for sample in &figures.samples {
        if sample.name.starts_with("process_") {
            continue;
        }
        let is_its = |metric: &&colloquy::telemetry::names::Metric| match metric.kind {
            Kind::Histogram(_) => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|part| sample.name.strip_suffix(part) == Some(metric.name)),
            _ => sample.name == metric.name,
        };
        let metric = METRICS
            .iter()
            .find(is_its)
            .unwrap_or_else(|| panic!("{sample:?}"));
        let labels = sample
            .labels
            .keys()
            .map(String::as_str)
            .filter(|label| *label != "le");
        let promised: BTreeSet<_> = metric.labels.iter().copied().collect();
        assert_eq!(labels.collect::<BTreeSet<_>>(), promised, "{sample:?}");
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        for line in [
            format!("# HELP {} {}\n", metric.name, metric.help),
            format!("# TYPE {} {kind}\n", metric.name),
        ] {
            assert!(figures.text.contains(&line), "{line}");
        }
    }
}

#[tokio::test]
async fn figures_can_have_a_listener_of_their_own_and_are_then_told_nowhere_else() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--metrics-listen", "127.0.0.1:0"]);
    assert!(
        !server.metrics_url.starts_with(&server.url),
        "{}",
        server.metrics_url
    );
    assert_eq!(Figures::of(&server).await.sum("colloquy_ready", &[]), Some(1.0));
    assert_eq!(reqwest::get(server.at("/metrics")).await.unwrap().status(), 404);
    let base = server.metrics_url.strip_suffix("/metrics").unwrap();
    for path in ["/", "/graphql", "/health", "/chat/user/1"] {
        let answer = reqwest::get(format!("{base}{path}")).await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    let (status, _) = server.stop();
    assert!(status.success());
}
