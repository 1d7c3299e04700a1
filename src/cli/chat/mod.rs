//! `colloquy chat`: a client of a server, in a terminal.
//!
//! `assembly` is the rule for a reply's text and does no I/O; `follow` applies it over connections that break; `session`
//! is what a person does.

mod arguments;
mod assembly;
mod command;
mod error;
mod follow;
mod input;
mod interrupts;
mod operations;
mod screen;
mod session;
mod words;

use std::io;
use std::process::ExitCode;

pub use arguments::ChatArguments;
use error::ChatError;
use input::Input;
use interrupts::Interrupts;
use screen::Screen;
use session::{Manners, Next, Session};

use super::client::{Server, UserId};
use super::{complain, secrets};

/// What it ends with where the server asks for a token and takes none that it was shown.
const UNAUTHENTICATED: u8 = 3;
/// What a shell ends with that was interrupted.
const INTERRUPTED: u8 = 130;

/// Talks to a server: 0 if that went well, 1 if it is not there or a piped message was not answered, 2 if it was told
/// something wrong, 3 if it is asked for a token and has none that is taken, 130 if a script's reply was stopped by Ctrl-C.
pub fn chat(arguments: ChatArguments) -> ExitCode {
    let token = match secrets::variable(secrets::TOKEN) {
        Ok(token) => token,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    let server = match Server::new(&arguments.url, &arguments.headers, token.as_deref()) {
        Ok(server) => server,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let screen = Screen::new();
    let code = match runtime.block_on(converse(arguments, &server, &screen)) {
        Ok(code) => code,
        // Whoever read the replies has had enough.
        Err(ChatError::Local(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            screen.complain(&error);
            match error.is_unauthenticated() {
                true => ExitCode::from(UNAUTHENTICATED),
                false => ExitCode::FAILURE,
            }
        }
    };
    // A thread may still wait for a line that nobody wants.
    runtime.shutdown_background();
    code
}

async fn converse(arguments: ChatArguments, server: &Server, screen: &Screen) -> Result<ExitCode, ChatError> {
    let mut input = Input::new()?;
    let is_interactive = input.is_edited();
    let manners = Manners {
        user: arguments.user.as_deref().map(UserId::parse),
        language: arguments.language,
        is_interactive,
    };
    let mut session = Session::new(server, screen, manners);
    session.greet().await?;
    let mut interrupts = Interrupts::new()?;
    match (arguments.chat, arguments.new) {
        (Some(chat), _) => session.open(chat, &mut interrupts).await?,
        (None, Some(title)) => session.begin(Some(title), &mut interrupts).await?,
        (None, None) => {}
    }
    loop {
        // What was pressed for the last entry is not meant for this one.
        let mut interrupts = Interrupts::new()?;
        let entry = tokio::select! {
            entry = input.next() => entry?,
            () = interrupts.next() => None,
        };
        let Some(entry) = entry else {
            break;
        };
        if entry.trim().is_empty() {
            continue;
        }
        match session.take(&entry, &mut interrupts).await {
            Ok(Next::GoOn) => {}
            Ok(Next::Leave) => break,
            Err(ChatError::Local(error)) => return Err(error.into()),
            // What comes behind it would be refused as well.
            Err(error) if error.is_unauthenticated() => return Err(error),
            Err(error) => {
                screen.complain(&error);
                session.has_failed = true;
                session.has_stopped |= matches!(error, ChatError::GivenUp);
            }
        }
        // Ctrl-C at a script means all of it.
        if session.has_stopped && !is_interactive {
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    Ok(if session.has_failed && !is_interactive {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
