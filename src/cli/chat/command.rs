//! What a person can type besides messages.

/// What `/help` prints.
pub const HELP: &str = "\
Whatever does not begin with a slash is a message; end a line in \\ to go on in the next.
/chats             list the chats last written in
/open ID           show a chat, and go on with it
/new [TITLE]       begin a new chat; without a title, the next message is its title
/regenerate        ask for the last reply once more
/react ID EMOJI    give a message its one reaction
/delete            delete the chat that is open
/help              show this
/quit              leave
Ctrl-C             stop the reply that is being written; at an empty prompt, leave
Ctrl-D             leave";

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Show what can be typed.
    Help,
    /// List chats.
    Chats,
    /// Go on with a chat.
    Open(String),
    /// Begin a chat, with a title or with that of its first message.
    New(Option<String>),
    /// Ask for the last reply once more.
    Regenerate,
    /// React to a message.
    React {
        /// Which.
        id: String,
        /// With what.
        emoji: String,
    },
    /// Delete the chat that is open, if that is meant.
    Delete {
        /// Whether it was said twice.
        is_sure: bool,
    },
    /// Leave.
    Quit,
}

/// Why a line that begins with a slash is no command.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// There is none of that name.
    #[error("there is no {0}; /help lists what there is, and a blank before the slash makes it a message")]
    Unknown(String),
    /// It takes something else.
    #[error("say {0}")]
    Usage(&'static str),
}

impl Command {
    /// The command that a line is, or `None` for a message.
    pub fn parse(line: &str) -> Option<Result<Self, CommandError>> {
        let rest = line.strip_prefix('/')?;
        let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let rest = rest.trim();
        let words: Vec<_> = rest.split_whitespace().collect();
        let command = match (name, words.as_slice()) {
            ("help", []) => Self::Help,
            ("chats", []) => Self::Chats,
            ("open", [id]) => Self::Open((*id).to_owned()),
            ("open", _) => return Some(Err(CommandError::Usage("/open ID"))),
            ("new", []) => Self::New(None),
            ("new", _) => Self::New(Some(rest.to_owned())),
            ("regenerate", []) => Self::Regenerate,
            ("react", [id, emoji]) => Self::React {
                id: (*id).to_owned(),
                emoji: (*emoji).to_owned(),
            },
            ("react", _) => return Some(Err(CommandError::Usage("/react ID EMOJI"))),
            ("delete", []) => Self::Delete { is_sure: false },
            ("delete", ["yes"]) => Self::Delete { is_sure: true },
            ("quit", []) => Self::Quit,
            _ => return Some(Err(CommandError::Unknown(line.trim_end().to_owned()))),
        };
        Some(Ok(command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_messages_or_mistakes() {
        assert_eq!(Command::parse("hello"), None);
        assert_eq!(Command::parse(" /etc/hosts is a file"), None);
        for (line, command) in [
            ("/open  66f ", Command::Open("66f".to_owned())),
            ("/new", Command::New(None)),
            (
                "/new समुद्र के बारे में ",
                Command::New(Some("समुद्र के बारे में".to_owned())),
            ),
            ("/delete yes", Command::Delete { is_sure: true }),
            (
                "/react 66f 👩‍👩‍👧",
                Command::React {
                    id: "66f".to_owned(),
                    emoji: "👩‍👩‍👧".to_owned(),
                },
            ),
        ] {
            assert_eq!(Command::parse(line), Some(Ok(command)), "{line}");
        }
        for line in ["/", "/opne", "/quit now", "/open", "/open a b", "/react 👍"] {
            assert!(matches!(Command::parse(line), Some(Err(_))), "{line}");
        }
    }

    #[test]
    fn every_command_is_in_the_help() {
        for line in HELP.lines().filter(|line| line.starts_with('/')) {
            let name = line.split_whitespace().next().unwrap();
            assert!(
                !matches!(Command::parse(name), Some(Err(CommandError::Unknown(_)))),
                "{name}"
            );
        }
    }
}
