//! How the offline bot says an answer: piece by piece, with whatever is to go wrong.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::bot::{BotError, BotEvent, Prompt, RETRY_AFTER_MAX};
use crate::config::{Fault, FaultScript};
use crate::domain::{FinishReason, TokenCount, Usage};

/// Bytes of a piece that only makes an answer larger: with pieces of a word a huge one would take an hour.
const FILLING_BYTES: usize = 16 * 1024;

/// An answer, as it will be said.
pub(super) struct Delivery(Vec<Step>);

enum Step {
    Wait(Duration),
    Say(String),
    Fail(BotError),
    /// The stream just ends.
    BreakOff,
    Finish(Option<Usage>),
}

impl Step {
    fn is_last(&self) -> bool {
        matches!(self, Self::Fail(_) | Self::BreakOff | Self::Finish(_))
    }
}

impl Delivery {
    /// The delivery of `answer`, with these faults in it.
    pub(super) fn new(prompt: &Prompt, answer: &str, faults: Option<&FaultScript>) -> Self {
        let faults = faults.map_or(&[][..], FaultScript::faults);
        let mut steps = before_the_first_piece(faults);
        let pieces = pieces_with(answer, faults);
        let usage = (!faults.contains(&Fault::NoUsage)).then(|| Usage {
            prompt: words(prompt.turns.iter().map(|turn| turn.text.as_str())),
            completion: words(pieces.iter().map(String::as_str)),
        });
        say(&mut steps, pieces, interruptions(faults));
        steps.push(Step::Finish(usage));
        if let Some(last) = steps.iter().position(Step::is_last) {
            steps.truncate(last + 1);
        }
        Self(steps)
    }

    /// Says it, with `pieces_per_second`; 0 for as fast as it is listened to.
    pub(super) fn at_pace(self, pieces_per_second: f64) -> BoxStream<'static, Result<BotEvent, BotError>> {
        let pause = (pieces_per_second > 0.0).then(|| Duration::from_secs_f64(pieces_per_second.recip()));
        stream::iter(self.0)
            .filter_map(move |step| async move {
                match step {
                    Step::Wait(time) => {
                        tokio::time::sleep(time).await;
                        None
                    }
                    Step::Say(piece) => {
                        if let Some(pause) = pause {
                            tokio::time::sleep(pause).await;
                        }
                        Some(Ok(BotEvent::Piece(piece)))
                    }
                    Step::Fail(error) => Some(Err(error)),
                    Step::BreakOff => None,
                    Step::Finish(usage) => Some(Ok(BotEvent::Finished {
                        reason: FinishReason::Complete,
                        usage,
                    })),
                }
            })
            .boxed()
    }
}

/// Delay, then refusal. One that passes is waited for as a real service's is.
fn before_the_first_piece(faults: &[Fault]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut refusal = None;
    let mut passes_after = None;
    for fault in faults {
        match fault {
            Fault::Delay(time) => steps.push(Step::Wait(*time)),
            Fault::Status(code) => refusal = Some(BotError::of_status(*code)),
            Fault::RetryAfter(time) => passes_after = Some(*time),
            _ => {}
        }
    }
    if let Some(error) = refusal {
        steps.push(match passes_after {
            Some(time) if time <= RETRY_AFTER_MAX => Step::Wait(time),
            _ => Step::Fail(error),
        });
    }
    steps
}

/// What happens in the middle of the text, in order.
fn interruptions(faults: &[Fault]) -> Vec<(usize, Vec<Step>)> {
    let mut interruptions: Vec<_> = faults
        .iter()
        .filter_map(|fault| match *fault {
            Fault::Stall { at, time } => Some((at, vec![Step::Wait(time)])),
            Fault::Timeout { at, time } => Some((at, vec![Step::Wait(time), Step::Fail(BotError::TIMEOUT)])),
            Fault::Cut { at } => Some((at, vec![Step::BreakOff])),
            _ => None,
        })
        .collect();
    interruptions.sort_by_key(|(at, _)| *at);
    interruptions
}

/// Lays the pieces out, and between them, or within them, what happens there. Only whole characters are said.
fn say(steps: &mut Vec<Step>, pieces: Vec<String>, interruptions: Vec<(usize, Vec<Step>)>) {
    let mut interruptions = interruptions.into_iter().peekable();
    let mut offset = 0;
    for piece in pieces {
        let end = offset + piece.len();
        let mut rest = piece.as_str();
        while let Some((at, happening)) = interruptions.next_if(|(at, _)| *at < end) {
            let (before, after) = rest.split_at(rest.floor_char_boundary(at.saturating_sub(offset)));
            if !before.is_empty() {
                steps.push(Step::Say(before.to_owned()));
            }
            offset += before.len();
            rest = after;
            steps.extend(happening);
        }
        if !rest.is_empty() {
            steps.push(Step::Say(rest.to_owned()));
        }
        offset = end;
    }
    steps.extend(interruptions.flat_map(|(_, happening)| happening));
}

/// The pieces of the answer, made more or doubled.
fn pieces_with(answer: &str, faults: &[Fault]) -> Vec<String> {
    let mut pieces = pieces(answer);
    for fault in faults {
        if let Fault::Huge { bytes } = fault {
            let mut missing = bytes.saturating_sub(answer.len());
            while missing > 0 {
                let filling = missing.min(FILLING_BYTES);
                pieces.push(" and so on".chars().cycle().take(filling).collect());
                missing -= filling;
            }
        }
    }
    for fault in faults {
        if let Fault::Duplicate { piece } = fault
            && let Some(twice) = pieces.get(piece - 1).cloned()
        {
            pieces.insert(*piece, twice);
        }
    }
    pieces
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

/// The offline bot's tokens are words.
fn words<'a>(texts: impl Iterator<Item = &'a str>) -> TokenCount {
    let words: usize = texts.map(|text| text.split_whitespace().count()).sum();
    TokenCount::reported(i64::try_from(words).unwrap_or(i64::MAX))
}
