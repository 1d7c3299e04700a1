//! A report for people, on standard output: coloured on a terminal unless `NO_COLOR` says otherwise.

use std::io::{self, Write};

use anstyle::Style;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// A report in the making.
pub struct Page(String);

impl Page {
    /// An empty page.
    pub fn new() -> Self {
        Self(String::new())
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: &str) {
        let bold = Style::new().bold();
        self.line(&format!("{bold}{}{bold:#}", printable(text)));
    }

    /// Adds an empty line.
    pub fn gap(&mut self) {
        self.line("");
    }

    /// Adds a table; nothing if it has no rows.
    pub fn table<const N: usize>(&mut self, header: [&str; N], rows: Vec<[String; N]>) {
        if rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        if let Some(width) = terminal_width() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        table.set_header(header);
        for row in rows {
            table.add_row(row.map(|cell| printable(&cell)));
        }
        for line in table.lines() {
            self.line(&line);
        }
    }

    /// Prints the page.
    pub fn print(&self) -> io::Result<()> {
        anstream::stdout().lock().write_all(self.0.as_bytes())
    }

    /// Adds a line as it is, with what styles are in it.
    pub fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
}

/// Prints a report for programs.
pub fn print_json(report: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{report:#}")
}

/// A number of things, for one word.
pub fn plural(count: usize, word: &str) -> String {
    match count {
        1 => word.to_owned(),
        _ => format!("{word}s"),
    }
}

/// How many characters fit in a line; nothing where no person looks.
fn terminal_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// A text without characters that would tell a terminal what to do: names in a database are anybody's.
pub fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
