//! `colloquy recount`: counts again what the store keeps sums of.

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::json;
use tokio::time::Instant;

use super::arguments::{Arguments, ReportFormat};
use super::complain;
use super::page::{self, Page, plural};
use crate::app;
use crate::store::recount::{RecountProgress, Recounted};

/// What the command takes.
#[derive(clap::Args, Clone, Copy)]
pub struct RecountArguments {
    /// How the summary looks.
    #[arg(long, value_enum, default_value = "text")]
    format: ReportFormat,
}

/// The pause between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Counts, and prints what was found: 0 when it is done, 1 if that failed, 2 if it was told something wrong.
pub async fn recount(arguments: &Arguments, options: RecountArguments) -> ExitCode {
    let store = match arguments.store() {
        Ok(store) => store,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    let progress = Progress::new();
    let recounted = app::recount(&store, &|at| progress.say(at)).await;
    progress.bar.finish_and_clear();
    let printed = match recounted {
        Ok(recounted) => print(options.format, recounted),
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// How far it is, on standard error: a line that changes on a terminal, elsewhere one every few seconds.
struct Progress {
    bar: ProgressBar,
    last_line: Mutex<Instant>,
}

impl Progress {
    fn new() -> Self {
        Self {
            bar: ProgressBar::new_spinner(),
            last_line: Mutex::new(Instant::now()),
        }
    }

    fn say(&self, at: RecountProgress) {
        let line = match at {
            RecountProgress::Chats(count) => format!("{count} chats looked at"),
            RecountProgress::Users(count) => format!("replies of {count} users looked at"),
        };
        if !self.bar.is_hidden() {
            self.bar.set_message(line);
            self.bar.tick();
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            // Without standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

fn print(format: ReportFormat, recounted: Recounted) -> std::io::Result<()> {
    let Recounted {
        chats_counted,
        chats_corrected,
        chats_left,
        users,
        replies,
        ledger_rows,
    } = recounted;
    if format == ReportFormat::Json {
        return page::print_json(&json!({
            "chats": { "counted": chats_counted, "corrected": chats_corrected, "left": chats_left },
            "ledger": { "users": users, "replies": replies, "rows_changed": ledger_rows },
        }));
    }
    let of = |count: u64, word: &str| {
        let few = usize::try_from(count).unwrap_or(usize::MAX);
        format!("{count} {}", plural(few, word))
    };
    let mut page = Page::new();
    page.line(&format!(
        "{} counted again, {chats_corrected} corrected.",
        of(chats_counted, "chat")
    ));
    if chats_left > 0 {
        page.line(&format!(
            "{} left out, because messages are being changed: counted when next read.",
            of(chats_left, "chat")
        ));
    }
    // An embedded store has entered them all when it was brought up to date.
    if users > 0 {
        page.line(&format!(
            "Usage ledger: {} of {} used tokens; {} added or raised.",
            match replies {
                1 => "1 reply".to_owned(),
                replies => format!("{replies} replies"),
            },
            of(users, "user"),
            of(ledger_rows, "row")
        ));
    }
    page.print()
}
