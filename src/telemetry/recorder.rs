//! The recorder that Prometheus reads.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{SetRecorderError, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_process::Collector;

use super::names::{BUILD_INFO, Kind, METRICS};
use super::{replies, streams};

/// What [`install`] installed.
static INSTALLED: OnceLock<Installed> = OnceLock::new();
/// One at a time installs.
static INSTALLING: Mutex<()> = Mutex::new(());

struct Installed {
    figures: PrometheusHandle,
    process: Collector,
}

/// How often what was measured is sorted into its buckets, so that it does not pile up where nobody scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Why there is no recorder.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The process has another one already. It hears everything; `/metrics` has nothing to show.
    #[error("the process has a recorder of its own")]
    Taken(#[from] SetRecorderError<PrometheusRecorder>),
    /// A histogram has no buckets.
    #[error("a histogram has no buckets")]
    Buckets(#[from] BuildError),
}

/// Installs the recorder that `/metrics` shows, once for the process; to repeat it is harmless.
pub fn install() -> Result<(), InstallError> {
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if INSTALLED.get().is_some() {
        return Ok(());
    }
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            let name = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(name, buckets.bounds())?;
        }
    }
    let recorder = builder.build_recorder();
    let figures = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, metric.help),
        }
    }
    let process = Collector::default();
    process.describe();
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    replies::begin();
    streams::begin();
    // Nobody else comes here meanwhile.
    let _ = INSTALLED.set(Installed { figures, process });
    Ok(())
}

/// The figures as Prometheus reads them, as of now; `None` where [`install`] installed nothing.
pub fn rendered() -> Option<String> {
    let installed = INSTALLED.get()?;
    installed.process.collect();
    Some(installed.figures.render())
}

/// Keeps the memory of the recorder bounded, until it is dropped.
pub async fn keep_up() {
    let mut rounds = tokio::time::interval(UPKEEP_EVERY);
    loop {
        rounds.tick().await;
        if let Some(installed) = INSTALLED.get() {
            installed.figures.run_upkeep();
        }
    }
}
