//! `colloquy verify`: keeps servers busy on a store of one's own, kills, freezes and cuts them off, and then holds what
//! clients were told against what is stored, promise by promise.
//!
//! `fleet`, `process`, `proxy` and `chaos` are what happens to the servers; `bot` is what they ask, and `clients` are
//! who notices, in `ledger` and `view`; `judge` finds what was broken, without I/O, and `report` tells it. Like any
//! client this one only talks to servers; but whether something of what was deleted is left, which no server says, it
//! looks for in the store.

mod arguments;
mod bot;
mod chaos;
mod clients;
mod crew;
mod error;
mod fleet;
mod judge;
mod ledger;
mod operations;
mod place;
mod plan;
mod process;
mod progress;
mod proxy;
mod reading;
mod report;
mod run;
mod view;
mod words;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use fastrand::Rng;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use super::arguments::Arguments;
use super::{complain, page};
use crate::app;
use crate::config::{FeedConfig, StoreConfig};
use crate::feed::RedisProbed;
use crate::telemetry::causes::causes;
pub use arguments::VerifyArguments;
use bot::Bot;
use error::VerifyError;
use ledger::Ledger;
use place::Place;
use plan::{Plan, random};
use process::Launch;
use progress::Progress;
use report::{Kept, Report, broken};
use run::{Ends, Site};

/// How long a server that is told to end lets replies go on: about as long as one takes.
const DRAIN_SECONDS: &str = "5";

/// How much of a chat the bot is given: some turns, all of which are noted with each call.
const HISTORY_TOKENS: &str = "1000";

/// Holds a trial and prints what it found: 0 if everything was held, 1 if something was not, 2 if there is no verdict.
pub async fn verify(arguments: &Arguments, options: &VerifyArguments) -> ExitCode {
    let report = match trial(arguments, options).await {
        Ok(report) => report,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    let printed = match options.json {
        true => page::print_json(&report.to_json()),
        false => report.page().print(),
    };
    match (printed, report.is_held()) {
        (Ok(()), true) => ExitCode::SUCCESS,
        (Ok(()), false) => ExitCode::FAILURE,
        (Err(error), _) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

async fn trial(arguments: &Arguments, options: &VerifyArguments) -> Result<Report, VerifyError> {
    let store = arguments.given_store().transpose()?;
    let feed = arguments.feed()?;
    feed.validate(matches!(store, Some(StoreConfig::Mongo(_))))?;
    check_answers(&feed).await?;
    let mut workshop = tempfile::Builder::new().prefix("colloquy-verify-").tempdir()?;
    let id: String = random::<6>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let place = Place::choose(store.as_ref(), workshop.path(), &id).await?;
    let plan = Plan::new(options, place.is_shared())?;
    let mut rng = Rng::with_seed(plan.seed);
    let ledger = Arc::new(Ledger::default());
    let bot = Bot::start(rng.fork(), ledger.clone()).await?;
    let site = Site {
        launch: Arc::new(launch(&place, &feed, &id, bot.address)?),
        place: &place,
        logs: workshop.path(),
    };
    let progress = Progress::new();
    let kept = if options.keep { ", which is kept" } else { "" };
    let name = match feed {
        FeedConfig::Local => place.name(),
        FeedConfig::Redis(_) => format!("{}, with a feed over Redis", place.name()),
    };
    progress.say(&format!(
        "{} {} on {name}{kept}; seed {}",
        plan.servers,
        page::plural(plan.servers, "server"),
        plan.seed
    ));

    let ends = Ends::default();
    let hearing = AbortOnDropHandle::new(tokio::spawn(hear(ends.clone())));
    let run = run::run(plan, &site, ledger, rng, &ends, &progress).await;
    progress.end();
    let is_broken = run.as_ref().is_ok_and(|(_, findings)| broken(findings) > 0);
    let kept = (options.keep || is_broken).then(|| Kept {
        data: place.name(),
        logs: workshop.path().display().to_string(),
    });
    let removed = match kept {
        Some(_) => {
            workshop.disable_cleanup(true);
            Ok(())
        }
        None => place.remove().await,
    };
    drop(hearing);
    let (notes, findings) = run?;
    removed?;
    Ok(Report {
        plan,
        place: name,
        notes,
        findings,
        kept,
    })
}

/// Hears the first Ctrl-C or SIGTERM, which is that there is enough, and the second, which is that nobody waits.
async fn hear(ends: Ends) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    for end in [ends.enough, ends.given_up] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        end.cancel();
    }
    Ok(())
}

/// Fails if the feed is a Redis that does not answer.
async fn check_answers(feed: &FeedConfig) -> Result<(), VerifyError> {
    let FeedConfig::Redis(shared) = feed else {
        return Ok(());
    };
    match app::probe_feed(shared).await {
        Ok(RedisProbed::Answered { .. }) => Ok(()),
        Ok(RedisProbed::Failed(why)) => Err(VerifyError::Feed(why)),
        Err(error) => Err(VerifyError::Feed(causes(&error).to_string())),
    }
}

/// How servers are started on a place.
fn launch(place: &Place, feed: &FeedConfig, id: &str, bot: SocketAddr) -> Result<Launch, VerifyError> {
    let arguments = [
        ["--listen", "127.0.0.1:0"],
        ["--bot", "openai"],
        ["--openai-model", bot::MODEL],
        ["--history-tokens", HISTORY_TOKENS],
        ["--log-format", "json"],
        ["--drain-seconds", DRAIN_SECONDS],
    ];
    let mut secrets = vec![("COLLOQUY_STORE".to_owned(), place.address())];
    if let FeedConfig::Redis(shared) = feed {
        secrets.push(("COLLOQUY_FEED".to_owned(), shared.url.clone()));
        secrets.push((
            "COLLOQUY_FEED_PREFIX".to_owned(),
            prefix_beside(&shared.prefix, id),
        ));
    }
    let arguments = arguments.as_flattened().iter().copied().map(str::to_owned);
    Ok(Launch {
        program: std::env::current_exe()?,
        arguments: ["serve".to_owned()].into_iter().chain(arguments).collect(),
        secrets,
        unset: Arguments::variables(),
        bot,
        starts: AtomicUsize::new(0),
    })
}

/// A prefix in Redis that nobody else has. What stands below it expires by itself.
fn prefix_beside(prefix: &str, id: &str) -> String {
    let own = format!("verify_{id}:");
    let most = FeedConfig::PREFIX_BYTES_MAX.saturating_sub(own.len());
    let beside = prefix.split_at(prefix.floor_char_boundary(most)).0;
    format!("{beside}{own}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_never_the_one_that_was_named_and_never_too_long() {
        assert_eq!(
            prefix_beside("colloquy:", "0123456789ab"),
            "colloquy:verify_0123456789ab:"
        );
        for prefix in ["é".repeat(32), String::new()] {
            let beside = prefix_beside(&prefix, "0123456789ab");
            assert!(beside.ends_with("verify_0123456789ab:") && beside.len() <= FeedConfig::PREFIX_BYTES_MAX);
        }
    }
}
