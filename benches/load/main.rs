//! What the server costs as its users load it, each figure beside that of the thinnest program that does the same work
//! on the same libraries: docs/performance.md says how to read it.
//!
//! Four processes: this one drives; the server, the baseline and the scripted service stand by themselves, so that the
//! CPU time of each is its own. The last two are this program again, under another name.

mod baseline;
mod clock;
mod data;
mod driver;
mod process;
mod report;
mod scenario;
mod upstream;

#[path = "../support"]
mod support {
    pub mod percentile;
}

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use clap::{Parser, Subcommand};

use data::Data;
use driver::calls::Call;
use process::Process;
use report::Report;

/// What is to be measured.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// The server to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_colloquy"))]
    server: PathBuf,
    /// Where to write the figures as JSON.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/load.json"))]
    json: PathBuf,
    /// Only scenarios whose names hold one of these.
    scenarios: Vec<String>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The programs beside the driver.
#[derive(Subcommand)]
enum Part {
    /// The thinnest program that does the same.
    #[command(hide = true)]
    Baseline(baseline::Arguments),
    /// The model service, which says when it said what.
    #[command(hide = true)]
    Upstream(upstream::Arguments),
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Baseline(arguments)) => baseline::serve(arguments).await,
        Some(Part::Upstream(arguments)) => upstream::serve(arguments).await,
        None => measure(&arguments).await,
    }
}

async fn measure(arguments: &Arguments) {
    let Some(uri) = data::uri() else {
        println!("left out: the load benchmark needs a MongoDB; `make bench` starts one");
        return;
    };
    process::allow_many_sockets();
    let data = Data::write(&uri).await;
    let origin = clock::now();
    let upstream = Process::upstream(origin);
    let stage = Arc::new(scenario::Stage {
        server: Process::server(&arguments.server, &data, &upstream),
        baseline: Process::baseline(&data, &upstream),
        program: arguments.server.clone(),
        data,
        upstream,
        spoken: AtomicUsize::new(0),
        origin,
    });
    // Once its store is open, which is when the indexes are there that the baseline reads by as well.
    Call::get(&stage.server, "/health").answered().await;
    let mut report = Report::new(&arguments.scenarios, &arguments.json);
    scenario::start::measure(&stage, &mut report).await;
    scenario::requests::measure(&stage, &mut report).await;
    scenario::replies::measure(&stage, &mut report).await;
    scenario::viewers::measure(&stage, &mut report).await;
    scenario::idle::measure(&stage, &mut report).await;
    stage.data.clear().await;
}
