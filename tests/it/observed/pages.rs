//! The page about metrics, the dashboard and the alerts ask for what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use colloquy::telemetry::names::{Kind, METRICS};
use serde_json::Value;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What of a text is a name of ours.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names = words.filter(|word| word.starts_with("colloquy_"));
    names.map(str::to_owned).collect()
}

/// Every name that can be asked for.
fn served() -> BTreeSet<String> {
    let mut served = BTreeSet::new();
    for metric in METRICS {
        match metric.kind {
            Kind::Histogram(_) => {
                let parts = ["_bucket", "_sum", "_count"];
                served.extend(parts.iter().map(|part| format!("{}{part}", metric.name)));
            }
            _ => {
                served.insert(metric.name.to_owned());
            }
        }
    }
    served
}

#[test]
fn the_page_about_metrics_lists_each_of_them_and_no_other() {
    let page = file("docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `colloquy_"));
    let listed: Vec<_> = rows.map(str::to_owned).collect();
    let expected = METRICS.iter().map(|metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "| `{}` | {kind} | {} | {} |",
            metric.name,
            labels.join(", "),
            metric.help
        )
    });
    assert_eq!(listed, expected.collect::<Vec<_>>());
}

#[test]
fn the_dashboard_asks_for_every_metric_and_for_nothing_else() {
    let dashboard: Value = serde_json::from_str(&file("ops/grafana/colloquy.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<_> = panels
        .iter()
        .filter(|panel| panel["type"] == "row")
        .map(|row| row["title"].as_str().unwrap())
        .collect();
    for row in ["Replies", "Latency", "Streams", "Store", "Feed", "Errors"] {
        assert!(rows.contains(&row), "{row}");
    }
    let mut asked = BTreeSet::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            asked.extend(names(target["expr"].as_str().unwrap()));
        }
    }
    let unknown: Vec<_> = asked.difference(&served()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for metric in METRICS {
        assert!(
            asked.iter().any(|name| name.starts_with(metric.name)),
            "{}",
            metric.name
        );
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
}

#[test]
fn the_alerts_ask_for_what_there_is_and_each_says_where_to_read_on() {
    let alerts = file("ops/prometheus/alerts.yml");
    let unknown: Vec<_> = names(&alerts).difference(&served()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let value = |key: &str| {
        let key = format!("{key}: ");
        let found = alerts
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(&key));
        found.map(str::to_owned).collect::<Vec<_>>()
    };
    let raised = value("alert");
    assert_eq!(
        raised,
        [
            "ColloquyNotReady",
            "ColloquyStoreErrors",
            "ColloquyFeedDown",
            "ColloquyRepliesUnstored",
            "ColloquyRepliesFailing",
            "ColloquyRepliesInterrupted",
            "ColloquyFirstPieceSlow",
            "ColloquySlowReaders",
            "ColloquyStreamsNearLimit",
        ]
    );
    let runbooks: Vec<_> = raised
        .iter()
        .map(|alert| format!("docs/operations.md#{}", alert.to_lowercase()))
        .collect();
    assert_eq!(value("runbook_url"), runbooks);
}
