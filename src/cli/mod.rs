//! The command line: what it takes, and what each command does.

mod arguments;
mod chat;
mod client;
mod doctor;
mod health;
mod page;
mod recount;
mod secrets;
mod serve;
mod setup;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use crate::telemetry::causes::causes;

use arguments::{Arguments, Command};

/// Runs the program; 0 when it did its work, 1 when that failed, 2 when it was told something wrong.
pub fn main() -> ExitCode {
    let arguments = Arguments::read();
    if let Some(Command::Chat(chat)) = arguments.command {
        return chat::chat(chat);
    }
    if matches!(arguments.command, Some(Command::Schema)) {
        return match std::io::stdout()
            .lock()
            .write_all(crate::graphql::sdl().as_bytes())
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    if let Some(Command::Doctor(options)) = arguments.command {
        return runtime.block_on(doctor::doctor(&arguments, options));
    }
    if let Some(Command::Recount(options)) = arguments.command {
        return runtime.block_on(recount::recount(&arguments, options));
    }
    if let Some(Command::Health(health)) = &arguments.command {
        return runtime.block_on(health::health(health, arguments.listen));
    }
    if let Some(Command::Verify(options)) = &arguments.command {
        return runtime.block_on(verify::verify(&arguments, options));
    }
    let told = arguments
        .config()
        .and_then(|config| Ok((config, arguments.watched()?)));
    let (config, watched) = match told {
        Ok(told) => told,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    let done = runtime.block_on(async {
        match arguments.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::serve(config, watched).await,
            Command::Setup => setup::setup(config).await,
            // Done above, without a configuration.
            Command::Schema
            | Command::Doctor(_)
            | Command::Recount(_)
            | Command::Health(_)
            | Command::Chat(_)
            | Command::Verify(_) => Ok(()),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Prints an error with everything that led to it.
fn complain(error: &(dyn std::error::Error + 'static)) {
    // With no standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "colloquy: {}", causes(error));
}
