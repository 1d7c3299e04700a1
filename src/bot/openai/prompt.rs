//! What the model is told.

use super::wire::RequestMessage;
use crate::bot::Prompt;
use crate::domain::Author;

/// The conversation as the protocol has it: what the system says, then the turns.
pub fn messages(system_prompt: &str, prompt: &Prompt) -> Vec<RequestMessage> {
    let system = Some(system_message(system_prompt, prompt)).filter(|content| !content.is_empty());
    let system = system.map(|content| RequestMessage {
        role: "system",
        content,
    });
    let turns = prompt.turns.iter().map(|turn| RequestMessage {
        role: match turn.author {
            Author::User => "user",
            Author::Bot => "assistant",
        },
        content: turn.text.clone(),
    });
    system.into_iter().chain(turns).collect()
}

fn system_message(system_prompt: &str, prompt: &Prompt) -> String {
    let language = prompt.language.as_ref().map(|tag| {
        format!(
            "Answer in the language with the BCP 47 tag {}, unless the user asks for another one.",
            tag.as_str()
        )
    });
    let time = prompt.timezone.map(|zone| {
        format!(
            "Where the user is ({}), it is {}.",
            zone.name(),
            zone.wall_clock(prompt.now)
        )
    });
    let paragraphs = [Some(system_prompt.trim().to_owned()), language, time];
    let paragraphs: Vec<_> = paragraphs
        .into_iter()
        .flatten()
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    paragraphs.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::Turn;
    use crate::domain::{LanguageTag, TimeZone, Timestamp};

    fn prompt(language: Option<&str>, zone: Option<&str>) -> Prompt {
        let turn = |author, text: &str| Turn {
            author,
            text: text.to_owned(),
        };
        Prompt {
            turns: vec![
                turn(Author::User, "नमस्ते"),
                turn(Author::Bot, "Hello"),
                turn(Author::User, "And now?"),
            ],
            language: language.and_then(LanguageTag::parse),
            timezone: zone.and_then(TimeZone::parse),
            now: Timestamp::parse_rfc3339("2026-01-31T08:45:51Z").unwrap(),
            faults: None,
        }
    }

    fn told(system_prompt: &str, prompt: &Prompt) -> Vec<(&'static str, String)> {
        let messages = messages(system_prompt, prompt).into_iter();
        messages.map(|message| (message.role, message.content)).collect()
    }

    #[test]
    fn the_system_says_the_language_and_the_time_and_then_come_the_turns() {
        let told_all = told("Be kind.", &prompt(Some("pt-BR"), Some("Asia/Kolkata")));
        let system = "Be kind.\n\nAnswer in the language with the BCP 47 tag pt-BR, unless the user asks for \
                      another one.\n\nWhere the user is (Asia/Kolkata), it is Saturday, 2026-01-31 14:15.";
        assert_eq!(
            told_all,
            [
                ("system", system.to_owned()),
                ("user", "नमस्ते".to_owned()),
                ("assistant", "Hello".to_owned()),
                ("user", "And now?".to_owned()),
            ]
        );
        assert_eq!(told("Be kind.", &prompt(None, None))[0].1, "Be kind.");
        assert_eq!(told(" ", &prompt(None, None))[0].0, "user");
    }
}
