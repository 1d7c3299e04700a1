//! What `/metrics` tells, read as Prometheus reads it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::server::Server;

/// Longer than anything takes that a figure waits for.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric, with `_bucket`, `_sum` or `_count` where it is a histogram.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How many.
    pub value: f64,
}

/// One scrape.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Every line that is a figure.
    pub samples: Vec<Sample>,
    /// As it came.
    pub text: String,
}

impl Figures {
    /// What a server tells now.
    pub async fn of(server: &Server) -> Self {
        let response = reqwest::get(&server.metrics_url).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        Self::read(response.text().await.unwrap())
    }

    /// Scrapes until something is so. There is nothing else to wait for: what changes a figure tells nobody.
    pub async fn until(server: &Server, is_so: impl Fn(&Self) -> bool) -> Self {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let figures = Self::of(server).await;
            if is_so(&figures) {
                return figures;
            }
            assert!(Instant::now() < deadline, "{}", figures.text);
        }
    }

    /// Reads a scrape.
    pub fn read(text: String) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(sample).collect();
        Self { samples, text }
    }

    /// The sum of a metric over all series that have these labels; `None` if there is no such series.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            let has =
                |(label, value): &(&str, &str)| sample.labels.get(*label).is_some_and(|own| own == value);
            sample.name == name && labels.iter().all(has)
        };
        let found: Vec<_> = self.samples.iter().filter(fits).collect();
        (!found.is_empty()).then(|| found.iter().map(|sample| sample.value).sum())
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        None => (series, ""),
    };
    let labels = labels.split("\",").filter(|label| !label.is_empty());
    let labels = labels.map(|label| {
        let (name, value) = label.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().unwrap(),
    }
}
