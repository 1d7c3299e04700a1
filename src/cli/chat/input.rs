//! What is typed or piped in, entry by entry.

use std::io::{self, BufRead, IsTerminal, Read};

use rustyline::completion::Completer;
use rustyline::config::Config;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, Helper, KeyEvent, Movement,
    RepeatCount,
};

const PROMPT: &str = "> ";
/// What says at the end of a line that the entry goes on in the next.
const GOES_ON: char = '\\';
/// Longer than any message that a server takes. What is longer still is no text.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Where entries come from.
pub struct Input(Option<Source>);

enum Source {
    /// Edited by a person.
    Editor(Box<Editor<Lines, MemHistory>>),
    /// Piped in.
    Pipe,
}

impl Input {
    /// Standard input: edited on a terminal, read as it is otherwise.
    pub fn new() -> io::Result<Self> {
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Ok(Self(Some(Source::Pipe)));
        }
        let config = Config::builder().auto_add_history(true).build();
        let mut editor = Editor::with_history(config, MemHistory::new()).map_err(io::Error::other)?;
        editor.set_helper(Some(Lines));
        editor.bind_sequence(
            KeyEvent::ctrl('C'),
            EventHandler::Conditional(Box::new(ClearFirst)),
        );
        Ok(Self(Some(Source::Editor(Box::new(editor)))))
    }

    /// Whether a person edits the entries.
    pub fn is_edited(&self) -> bool {
        matches!(self.0, Some(Source::Editor(_)))
    }

    /// The next entry, or `None` at the end.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        let Some(mut source) = self.0.take() else {
            return Ok(None);
        };
        // On a thread that may wait, because neither kind of input can be waited for otherwise.
        let reading = tokio::task::spawn_blocking(move || {
            let read = source.read();
            (source, read)
        });
        let (source, read) = reading.await.map_err(io::Error::other)?;
        self.0 = Some(source);
        read
    }
}

impl Source {
    fn read(&mut self) -> io::Result<Option<String>> {
        match self {
            Self::Editor(editor) => match editor.readline(PROMPT) {
                Ok(entry) => Ok(Some(joined(&entry))),
                Err(ReadlineError::Interrupted | ReadlineError::Eof | ReadlineError::Signal(_)) => Ok(None),
                Err(ReadlineError::Io(error)) => Err(error),
                Err(error) => Err(io::Error::other(error)),
            },
            Self::Pipe => read_entry(&mut io::stdin().lock()),
        }
    }
}

/// Reads lines up to one that does not end in a backslash.
fn read_entry(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut entry = String::new();
    loop {
        let mut line = Vec::new();
        let bytes_left = LINE_BYTES_MAX.saturating_sub(entry.len() as u64);
        input.by_ref().take(bytes_left).read_until(b'\n', &mut line)?;
        if line.len() as u64 == bytes_left {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "standard input has a line of more than 1 MiB",
            ));
        }
        let is_end = !line.ends_with(b"\n");
        let line = String::from_utf8(line)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "standard input is not UTF-8"))?;
        if is_end && line.is_empty() {
            return Ok((!entry.is_empty()).then_some(entry));
        }
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        match line.strip_suffix(GOES_ON) {
            Some(line) if !is_end => {
                entry.push_str(line);
                entry.push('\n');
            }
            _ => {
                entry.push_str(line);
                return Ok(Some(entry));
            }
        }
    }
}

/// What was typed without the backslashes that only said that it goes on.
fn joined(entry: &str) -> String {
    entry.replace("\\\n", "\n")
}

/// What an entry is for the editor: lines, up to one that does not end in a backslash.
struct Lines;

impl Validator for Lines {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if context.input().ends_with(GOES_ON) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Completer for Lines {
    type Candidate = String;
}

impl Hinter for Lines {
    type Hint = String;
}

impl Highlighter for Lines {}

impl Helper for Lines {}

/// Ctrl-C empties a line first; only on an empty one it leaves.
struct ClearFirst;

impl ConditionalEventHandler for ClearFirst {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        (!context.line().is_empty()).then_some(Cmd::Kill(Movement::WholeBuffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(mut input: &[u8]) -> Vec<String> {
        std::iter::from_fn(|| read_entry(&mut input).unwrap()).collect()
    }

    #[test]
    fn each_line_is_an_entry_and_a_backslash_joins_the_next() {
        assert_eq!(
            entries("one\r\n\nदो\\\nतीन\nfour".as_bytes()),
            ["one", "", "दो\nतीन", "four"]
        );
        assert_eq!(entries(b"last\\"), ["last\\"]);
        assert_eq!(entries(b"one\\\n"), ["one\n"]);
        assert_eq!(joined("one\\\ntwo \\ three"), "one\ntwo \\ three");
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        assert!(read_entry(&mut &b"\xff\n"[..]).is_err());
        assert!(read_entry(&mut io::BufReader::new(io::repeat(b'x'))).is_err());
    }
}
