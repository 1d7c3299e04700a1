//! The log: one line for each thing that happened, on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{FilterExt, FilterFn, FromEnvError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

use super::traces::Traces;

/// Lines that wait to be written. Where whoever reads them is slower than that, further ones are lost: better they than the
/// requests that they tell of. At some 500 bytes a line it is 8 MiB.
const LINES_MAX: usize = 16 * 1024;

/// A library whose traces have every frame of every WebSocket in them: tokens, and what people write to each other.
const FRAMES_TARGET: &str = "tungstenite";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG cannot be read")]
    Filter(#[from] FromEnvError),
    /// The process has another one already.
    #[error("the process has a log of its own")]
    Taken(#[from] TryInitError),
}

/// Writes what still waits when it is dropped, for a second at most.
pub struct Log(#[expect(dead_code, reason = "its drop is its work")] WorkerGuard);

/// Writes what happens in this process to standard error from now on, as `RUST_LOG` chooses, and sends it to a collector.
pub fn start(format: LogFormat, traces: Option<&Traces>) -> Result<Log, LogError> {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env()?;
    // The hint leaves it to the other filter what is looked at in the first place.
    let fit_to_print = FilterFn::new(is_fit_to_print).with_max_level_hint(Level::TRACE);
    let (writer, written) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_MAX)
        .finish(std::io::stderr());
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer);
    let lines = match format {
        LogFormat::Pretty => lines.boxed(),
        // The innermost span is the last of the list.
        LogFormat::Json => lines.json().with_current_span(false).boxed(),
    };
    tracing_subscriber::registry()
        .with(traces.map(Traces::layer))
        .with(lines.with_filter(filter.and(fit_to_print)))
        .try_init()?;
    std::panic::set_hook(Box::new(panicked));
    Ok(Log(written))
}

/// Whether a line may be written, whatever `RUST_LOG` chooses.
fn is_fit_to_print(line: &Metadata<'_>) -> bool {
    *line.level() < Level::TRACE || !line.target().starts_with(FRAMES_TARGET)
}

/// A panic is a line like any other. Without its words: they can quote what somebody wrote.
fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let trace = Backtrace::capture();
    match trace.status() {
        BacktraceStatus::Captured => tracing::error!(place, backtrace = %trace, "something panicked"),
        _ => tracing::error!(place, "something panicked"),
    }
}
