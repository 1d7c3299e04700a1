//! What is printed: replies and lists to standard output, everything about them to standard error.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anstyle::Style;

/// Where things are printed.
pub struct Screen {
    is_terminal: bool,
}

impl Screen {
    /// The process's own.
    pub fn new() -> Self {
        Self {
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Prints text as it is, at once. On a terminal nothing in it can do more than be read.
    pub fn text(&self, text: &str) -> io::Result<()> {
        let text = if self.is_terminal {
            harmless(text)
        } else {
            text.into()
        };
        let mut output = io::stdout().lock();
        output.write_all(text.as_bytes())?;
        output.flush()
    }

    /// Prints a line.
    pub fn line(&self, text: &str) -> io::Result<()> {
        self.text(&format!("{text}\n"))
    }

    /// Says something about what is printed, in brackets. Without standard error there is nobody to tell.
    pub fn note(&self, text: &str) {
        let style = Style::new().dimmed();
        let _ = writeln!(anstream::stderr(), "{style}[{}]{style:#}", harmless(text));
    }

    /// [`Screen::note`] in the middle of a text, of which standard output gets nothing.
    pub fn note_within(&self, text: &str) {
        if self.is_terminal {
            let _ = writeln!(anstream::stderr());
        }
        self.note(text);
    }

    /// Says what went wrong.
    pub fn complain(&self, error: &dyn std::error::Error) {
        let _ = writeln!(anstream::stderr(), "colloquy: {}", harmless(&error.to_string()));
    }
}

/// Text with the control characters made visible that could move the cursor, colour the screen or type on the user's
/// behalf.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    if !text.contains(is_harmful) {
        return text.into();
    }
    let shown = |letter: char| match letter {
        letter if !is_harmful(letter) => letter,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(letter)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn control_characters_are_shown_and_all_others_left_alone() {
        assert_eq!(harmless("\x1b[2Ja\rb\x7f\u{9b}c"), "␛[2Ja␍b␡\u{fffd}c");
        let text = "नमस्ते\n\tदुनिया 👩‍👩‍👧\u{200d}";
        assert_eq!(harmless(text), text);
    }
}
