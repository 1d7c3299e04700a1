//! What can be seen from outside: metrics, the log, and traces.
//!
//! Metrics go through the `metrics` facade, which has one recorder for a process, and spans through `tracing`, which has
//! one subscriber. The program `colloquy` installs both; the library installs neither, so that a program that embeds it
//! keeps its own, or calls [`recorder::install`] and [`log::start`] itself. Several servers of one process share their
//! figures. Until there is a recorder, counting costs nothing and is heard by nobody.
//!
//! Every other layer may import this one.

pub mod causes;
pub mod faces;
pub mod feed;
pub mod health;
pub mod log;
pub mod names;
pub mod recorder;
pub mod replies;
pub mod spans;
pub mod store;
pub mod streams;
pub mod traces;

use metrics::Gauge;

/// One of what a gauge counts, for as long as this lives: however it goes, the gauge goes back.
pub struct Counted(Gauge);

impl Counted {
    fn by(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
