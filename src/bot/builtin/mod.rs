//! The offline bot: deterministic, in English and Hindi, with a configurable pace and length.

mod delivery;
mod phrases;

use futures_util::stream::BoxStream;

use super::{Bot, BotError, BotEvent, Prompt};
use crate::config::FaultScript;
use crate::domain::{Language, LanguageTag};

use delivery::Delivery;
use phrases::{Phrases, Topic};

/// A bot that needs no key, no network and no cost. It greets, answers thanks, explains itself, and otherwise
/// repeats what it was told. The same prompt gets the same answer.
#[derive(Clone, Debug)]
pub struct BuiltinBot {
    pieces_per_second: f64,
    words_min: usize,
    faults: Option<FaultScript>,
    heeds_faults: bool,
}

impl BuiltinBot {
    /// A bot that says `pieces_per_second` words and blanks a second (0: as fast as it is read), and stretches
    /// every answer to at least `words_min` words.
    pub fn new(pieces_per_second: f64, words_min: usize) -> Self {
        Self {
            pieces_per_second,
            words_min,
            faults: None,
            heeds_faults: false,
        }
    }

    /// The same bot, with something wrong in every answer whose prompt does not say otherwise.
    pub fn with_faults(self, faults: Option<FaultScript>) -> Self {
        Self { faults, ..self }
    }

    /// The same bot, which heeds what each prompt says shall go wrong, or does not.
    pub fn heeding_faults(self, heeds_faults: bool) -> Self {
        Self { heeds_faults, ..self }
    }

    /// The whole of its answer to a question: in the language of that, where it clearly is in one that the bot speaks,
    /// else in the one that the sender chose.
    pub fn answer(&self, question: &str, language: Option<&LanguageTag>) -> String {
        let language = Language::of_text(question)
            .or(language.and_then(LanguageTag::language))
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

    fn heeds_faults(&self) -> bool {
        self.heeds_faults
    }

    fn reply(&self, prompt: Prompt) -> BoxStream<'static, Result<BotEvent, BotError>> {
        let own = prompt.faults.as_ref().filter(|_| self.heeds_faults);
        let faults = own.or(self.faults.as_ref());
        let faults = faults.map(|script| script.resolved(prompt.question()));
        let answer = self.answer(prompt.question(), prompt.language.as_ref());
        let delivery = Delivery::new(&prompt, &answer, faults.as_ref());
        delivery.at_pace(self.pieces_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::Turn;
    use crate::domain::{Author, FinishReason, Timestamp, TokenCount, Usage};
    use futures_util::StreamExt;
    use std::time::Duration;
    use tokio::time::Instant;

    /// What came of a prompt: the pieces, and how it ended.
    struct Heard {
        pieces: Vec<String>,
        end: Option<Result<Option<Usage>, BotError>>,
        took: Duration,
    }

    impl Heard {
        fn text(&self) -> String {
            self.pieces.concat()
        }
    }

    async fn hear(bot: &BuiltinBot, text: &str, language: Option<&str>, faults: Option<&str>) -> Heard {
        let turns = vec![Turn {
            author: Author::User,
            text: text.to_owned(),
        }];
        let prompt = Prompt {
            turns,
            language: language.and_then(LanguageTag::parse),
            timezone: None,
            now: Timestamp::from_millis(0),
            faults: faults.map(|script| FaultScript::parse(script).unwrap()),
        };
        let started = Instant::now();
        let mut events = bot.clone().heeding_faults(true).reply(prompt);
        let (mut pieces, mut end) = (Vec::new(), None);
        while let Some(event) = events.next().await {
            assert_eq!(end, None, "something follows the end");
            match event {
                Ok(BotEvent::Piece(piece)) => pieces.push(piece),
                Ok(BotEvent::Finished { reason, usage }) => {
                    assert_eq!(reason, FinishReason::Complete);
                    end = Some(Ok(usage));
                }
                Ok(BotEvent::Reasoning(_)) => panic!("the offline bot thinks nothing"),
                Err(error) => end = Some(Err(error)),
            }
        }
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        let took = started.elapsed();
        Heard { pieces, end, took }
    }

    async fn say(bot: &BuiltinBot, text: &str, language: Option<&str>) -> String {
        let heard = hear(bot, text, language, None).await;
        assert!(matches!(heard.end, Some(Ok(Some(_)))), "{:?}", heard.end);
        heard.text()
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

    const QUESTION: &str = "कखग";
    const ANSWER: &str = "आपने लिखा: कखग";

    #[tokio::test]
    async fn it_reports_its_words_as_tokens() {
        let heard = hear(&BuiltinBot::new(0.0, 0), QUESTION, None, None).await;
        let usage = Usage {
            prompt: TokenCount::reported(1),
            completion: TokenCount::reported(3),
        };
        assert_eq!(
            (heard.text().as_str(), heard.end),
            (ANSWER, Some(Ok(Some(usage))))
        );
        let heard = hear(&BuiltinBot::new(0.0, 0), QUESTION, None, Some("no-usage")).await;
        assert_eq!((heard.text().as_str(), heard.end), (ANSWER, Some(Ok(None))));
    }

    #[tokio::test]
    async fn a_cut_at_any_byte_leaves_whole_characters_and_no_end() {
        let bot = BuiltinBot::new(0.0, 0);
        for at in 0..=ANSWER.len() + 1 {
            let heard = hear(&bot, QUESTION, None, Some(&format!("cut@{at}"))).await;
            let said = ANSWER.split_at(ANSWER.floor_char_boundary(at)).0;
            assert_eq!((heard.text().as_str(), heard.end), (said, None), "{at}");
        }
    }

    #[tokio::test]
    async fn silences_last_as_long_as_scripted_wherever_they_are() {
        let bot = BuiltinBot::new(0.0, 0);
        for (script, said, end, took_ms_min) in [
            ("delay=50ms", ANSWER, Ok(()), 50),
            ("stall@4=20ms,delay=10ms", ANSWER, Ok(()), 30),
            ("stall@1MB=20ms", ANSWER, Ok(()), 20),
            ("timeout@4=20ms", "आ", Err(BotError::TIMEOUT), 20),
            ("timeout@0=20ms", "", Err(BotError::TIMEOUT), 20),
            ("stall@3=10ms,timeout@12=10ms", "आपने", Err(BotError::TIMEOUT), 20),
            ("status=429,retry-after=1", ANSWER, Ok(()), 1_000),
            ("status=429,retry-after=21", "", Err(BotError::RATE_LIMITED), 0),
            ("status=503,delay=10ms", "", Err(BotError::UNAVAILABLE), 10),
            ("status=401", "", Err(BotError::UNAUTHORIZED), 0),
            ("status=418,cut@3", "", Err(BotError::REFUSED), 0),
        ] {
            let heard = hear(&bot, QUESTION, None, Some(script)).await;
            assert_eq!(heard.text(), said, "{script}");
            assert_eq!(heard.end.unwrap().map(|_| ()), end, "{script}");
            assert!(
                heard.took >= Duration::from_millis(took_ms_min),
                "{script}: {:?}",
                heard.took
            );
        }
    }

    #[tokio::test]
    async fn a_piece_is_doubled_and_an_answer_made_huge() {
        let bot = BuiltinBot::new(0.0, 0);
        let heard = hear(&bot, QUESTION, None, Some("duplicate@3")).await;
        assert_eq!(heard.text(), "आपने लिखा:लिखा: कखग");
        assert_eq!(
            hear(&bot, QUESTION, None, Some("duplicate@99")).await.text(),
            ANSWER
        );
        let heard = hear(&bot, QUESTION, None, Some("huge=2MB")).await;
        assert_eq!(heard.text().len(), 2 * 1024 * 1024);
        assert!(heard.text().starts_with(ANSWER));
    }

    #[tokio::test]
    async fn the_prompts_faults_win_over_the_bots_own() {
        let bot = BuiltinBot::new(0.0, 0).with_faults(FaultScript::parse("status=500").ok());
        assert_eq!(
            hear(&bot, QUESTION, None, None).await.end,
            Some(Err(BotError::UNAVAILABLE))
        );
        assert_eq!(hear(&bot, QUESTION, None, Some("cut@3")).await.end, None);
        let bot = BuiltinBot::new(0.0, 0).with_faults(FaultScript::parse("random=1").ok());
        let first = hear(&bot, QUESTION, None, None).await;
        let second = hear(&bot, QUESTION, None, None).await;
        assert_eq!((first.pieces, first.end), (second.pieces, second.end));
    }
}
