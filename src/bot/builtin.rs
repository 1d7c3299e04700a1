//! The offline bot: deterministic, in English and Hindi, with a configurable pace and length.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::{Bot, BotError, BotEvent, Prompt};
use crate::domain::{FinishReason, Language, LanguageTag};

/// A bot that needs no key, no network and no cost. It greets, answers thanks, explains itself, and otherwise
/// repeats what it was told. The same prompt gets the same answer.
#[derive(Clone, Debug)]
pub struct BuiltinBot {
    pieces_per_second: f64,
    words_min: usize,
}

impl BuiltinBot {
    /// A bot that says `pieces_per_second` words and blanks a second (0: as fast as it is read), and stretches
    /// every answer to at least `words_min` words.
    pub fn new(pieces_per_second: f64, words_min: usize) -> Self {
        Self {
            pieces_per_second,
            words_min,
        }
    }

    fn answer(&self, prompt: &Prompt) -> String {
        let question = prompt.question();
        // The text decides where it clearly is in one language; the sender's choice where it is not.
        let language = Language::of_text(question)
            .or(prompt.language.as_ref().and_then(LanguageTag::language))
            .unwrap_or(Language::English);
        let phrases = Phrases::of(language);
        let mut answer = match Topic::of(question) {
            Topic::Greeting => phrases.greeting.to_owned(),
            Topic::Thanks => phrases.thanks.to_owned(),
            Topic::Help => phrases.help.to_owned(),
            Topic::Other => format!("{} {}", phrases.echo, question.trim()),
        };
        let mut words = answer.split_whitespace().count();
        for number in 1_usize.. {
            if words >= self.words_min {
                break;
            }
            let line = format!("\n{number}. {}", phrases.filler);
            words += line.split_whitespace().count();
            answer.push_str(&line);
        }
        answer
    }
}

impl Bot for BuiltinBot {
    fn model(&self) -> &str {
        "builtin"
    }

    fn reply(&self, prompt: Prompt) -> BoxStream<'static, Result<BotEvent, BotError>> {
        let pieces = pieces(&self.answer(&prompt));
        let end = BotEvent::Finished {
            reason: FinishReason::Complete,
            usage: None,
        };
        let events = stream::iter(pieces.into_iter().map(BotEvent::Piece));
        let paced = if self.pieces_per_second > 0.0 {
            let pause = Duration::from_secs_f64(self.pieces_per_second.recip());
            events
                .then(move |piece| async move {
                    tokio::time::sleep(pause).await;
                    piece
                })
                .boxed()
        } else {
            events.boxed()
        };
        paced.chain(stream::iter([end])).map(Ok).boxed()
    }
}

/// Cuts a text into words and the blanks between them, as the documented system streams its fixed answers.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut last_blank = None;
    for character in text.chars() {
        let blank = character.is_whitespace();
        match pieces.last_mut() {
            Some(piece) if last_blank == Some(blank) => piece.push(character),
            _ => pieces.push(character.to_string()),
        }
        last_blank = Some(blank);
    }
    pieces
}

enum Topic {
    Greeting,
    Thanks,
    Help,
    Other,
}

impl Topic {
    fn of(question: &str) -> Self {
        let plain: String = question
            .trim()
            .trim_matches(|c: char| "!.,?।".contains(c))
            .to_lowercase();
        match plain.as_str() {
            "hello" | "hi" | "hey" | "good morning" | "good evening" | "नमस्ते" | "नमस्कार" => {
                Self::Greeting
            }
            "thanks" | "thank you" | "thx" | "धन्यवाद" | "शुक्रिया" => {
                Self::Thanks
            }
            "help" | "मदद" | "सहायता" => Self::Help,
            _ => Self::Other,
        }
    }
}

struct Phrases {
    greeting: &'static str,
    thanks: &'static str,
    help: &'static str,
    echo: &'static str,
    filler: &'static str,
}

impl Phrases {
    const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &Self {
                greeting: "Hello! I am the built-in bot. What would you like to talk about?",
                thanks: "You are welcome. Is there anything else?",
                help: "I am the built-in bot: I need no key and no network. Greet me, thank me, or write anything \
                       else and I will repeat it, word by word.",
                echo: "You wrote:",
                filler: "This line is here so that the reply is long enough to watch it arrive.",
            },
            Language::Hindi => &Self {
                greeting: "नमस्ते! मैं अंतर्निर्मित बॉट हूँ। आप किस बारे में बात करना चाहेंगे?",
                thanks: "आपका स्वागत है। क्या मैं कुछ और मदद कर सकता हूँ?",
                help: "मैं अंतर्निर्मित बॉट हूँ: मुझे न कुंजी चाहिए, न नेटवर्क। मुझे नमस्ते कहिए, धन्यवाद दीजिए, या कुछ भी \
                       लिखिए और मैं उसे शब्द दर शब्द दोहराऊँगा।",
                echo: "आपने लिखा:",
                filler: "यह पंक्ति इसलिए है कि उत्तर इतना लंबा हो कि आप उसे आते हुए देख सकें।",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::Turn;
    use crate::domain::{Author, Timestamp};

    async fn say(bot: &BuiltinBot, text: &str, language: Option<&str>) -> String {
        let turns = vec![Turn {
            author: Author::User,
            text: text.to_owned(),
        }];
        let prompt = Prompt {
            turns,
            language: language.and_then(LanguageTag::parse),
            timezone: None,
            now: Timestamp::from_millis(0),
        };
        let events: Vec<_> = bot.reply(prompt).collect().await;
        assert!(matches!(
            events.last(),
            Some(Ok(BotEvent::Finished {
                reason: FinishReason::Complete,
                ..
            }))
        ));
        let pieces = events.into_iter().filter_map(|event| match event {
            Ok(BotEvent::Piece(piece)) => Some(piece),
            _ => None,
        });
        pieces.inspect(|piece| assert!(!piece.is_empty())).collect()
    }

    #[tokio::test]
    async fn the_answer_is_in_the_language_of_the_text_else_of_the_sender() {
        let bot = BuiltinBot::new(0.0, 0);
        assert!(say(&bot, "hello!", Some("hi")).await.starts_with("Hello"));
        assert!(say(&bot, "नमस्ते", None).await.starts_with("नमस्ते!"));
        assert!(say(&bot, "42", Some("hi")).await.starts_with("आपने लिखा: 42"));
    }

    #[tokio::test]
    async fn an_answer_is_as_long_as_asked_and_the_same_each_time() {
        let bot = BuiltinBot::new(0.0, 500);
        let answer = say(&bot, "Tell me\n\n something 🙂", None).await;
        assert!(answer.split_whitespace().count() >= 500);
        assert!(answer.starts_with("You wrote: Tell me\n\n something 🙂"));
        assert_eq!(say(&bot, "Tell me\n\n something 🙂", None).await, answer);
    }
}
