//! What was measured, as a table and as JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::support::percentile::percentile;

/// Who did it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// The thinnest program that does the same.
    Baseline,
    /// Colloquy, asked in GraphQL.
    Graphql,
    /// Colloquy, asked over the documented REST API.
    Rest,
    /// Colloquy, asked over the documented socket.
    Mt,
}

/// What it took. What a scenario does not measure is left out.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Operations or pieces a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// CPU time of the process for each of them, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<f64>,
    /// CPU time of whoever asked, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_cpu_us: Option<f64>,
    /// How long half of them took at most, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    /// How long 99 of 100 took at most, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// Resident bytes, of the process or of each subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<f64>,
}

#[derive(Serialize)]
struct Row {
    scenario: String,
    subject: Subject,
    #[serde(flatten)]
    figures: Figures,
}

/// All that was measured. It is told when it is dropped, so also what came before something failed.
pub struct Report {
    wanted: Vec<String>,
    json: PathBuf,
    rows: Vec<Row>,
}

impl Figures {
    /// So many bytes, and nothing else.
    pub fn of_bytes(bytes: f64) -> Self {
        Self {
            bytes: Some(bytes),
            ..Self::default()
        }
    }

    /// The same, with percentiles of these.
    pub fn with_latencies(self, took: &[Duration]) -> Self {
        let percentile = |percent| Some(percentile(took, percent).as_secs_f64() * 1e6);
        Self {
            p50_us: percentile(50),
            p99_us: percentile(99),
            ..self
        }
    }
}

/// The one in the middle.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

impl Report {
    /// Nothing yet. Only scenarios that hold one of these words are wanted; all, if there are none.
    /// The figures are also written to `json`.
    pub fn new(wanted: &[String], json: &Path) -> Self {
        Self {
            wanted: wanted.to_vec(),
            json: json.to_owned(),
            rows: Vec::new(),
        }
    }

    /// Whether a scenario is to be measured.
    pub fn wants(&self, scenario: &str) -> bool {
        let is_wanted = self.wanted.is_empty() || self.wanted.iter().any(|word| scenario.contains(word));
        if is_wanted {
            eprintln!("{scenario} …");
        }
        is_wanted
    }

    /// Notes what somebody took. The baseline's figures come first.
    pub fn add(&mut self, scenario: &str, subject: Subject, figures: Figures) {
        self.rows.push(Row {
            scenario: scenario.to_owned(),
            subject,
            figures,
        });
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "",
            "by",
            "a second",
            "CPU",
            "ratio",
            "p50",
            "p99",
            "resident",
            "ratio",
            "CPU of the driver",
        ]);
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let mut last = "";
        for row in &self.rows {
            let base = self
                .rows
                .iter()
                .find(|base| base.scenario == row.scenario && base.subject == Subject::Baseline);
            let figures = row.figures;
            let ratio = |of: fn(&Figures) -> Option<f64>| {
                let base = base
                    .filter(|_| row.subject != Subject::Baseline)
                    .and_then(|base| of(&base.figures));
                cell(
                    of(&figures).zip(base).map(|(figure, base)| figure / base),
                    |ratio| format!("{ratio:.2}"),
                )
            };
            table.add_row([
                if row.scenario == last {
                    String::new()
                } else {
                    row.scenario.clone()
                },
                row.subject.name().to_owned(),
                cell(figures.per_second, |rate| format!("{rate:.0}")),
                cell(figures.cpu_us, time),
                ratio(|figures| figures.cpu_us),
                cell(figures.p50_us, time),
                cell(figures.p99_us, time),
                cell(figures.bytes, |bytes| format!("{:.1} KiB", bytes / 1024.0)),
                ratio(|figures| figures.bytes),
                cell(figures.driver_cpu_us, time),
            ]);
            last = &row.scenario;
        }
        println!("{table}");
        std::fs::write(&self.json, serde_json::to_vec_pretty(&self.rows).unwrap()).unwrap();
        println!("The same as JSON: {}", self.json.display());
    }
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Graphql => "GraphQL",
            Self::Rest => "REST",
            Self::Mt => "mt",
        }
    }
}

fn cell(figure: Option<f64>, show: impl Fn(f64) -> String) -> String {
    figure.map_or(String::new(), show)
}

fn time(us: f64) -> String {
    if us >= 10_000.0 {
        format!("{:.1} ms", us / 1000.0)
    } else {
        format!("{us:.1} µs")
    }
}
