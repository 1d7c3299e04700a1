//! What the trial's bot says: to each call something else, which its number alone decides.

use fastrand::Rng;

use super::Speech;
use crate::cli::verify::ledger::Notes;
use crate::cli::verify::view::difference;
use crate::cli::verify::words;

/// How many words an answer has: with some characters in each piece it takes some three seconds, so that servers die in
/// the middle of many, and well after their beginning.
const WORDS: std::ops::Range<usize> = 45..65;
/// How many characters a piece has.
const PIECE_CHARS: std::ops::Range<usize> = 1..8;
/// How long the one long word is. JSON writes each of its characters as two.
const WIDE_BYTES: usize = 32_000;
/// The long word's pieces.
const WIDE_PIECES: usize = 8;

/// The pieces of the answer to a call.
pub fn pieces(call: usize, speech: Speech) -> Vec<String> {
    // The whole mark is in the first piece, so whatever is shown of an answer says whose it is.
    let mark = format!("{}{call} ", words::ANSWER_MARK);
    if speech == Speech::Wide {
        let piece = "\"".repeat(WIDE_BYTES / WIDE_PIECES);
        return std::iter::once(mark).chain(vec![piece; WIDE_PIECES]).collect();
    }
    let mut rng = Rng::with_seed(call as u64);
    let length = rng.usize(WORDS);
    let said = words::some(&mut rng, length);
    let mut rest = said.as_str();
    let mut pieces = vec![mark];
    while !rest.is_empty() {
        let chars = rng.usize(PIECE_CHARS);
        let end = rest.char_indices().nth(chars).map_or(rest.len(), |(end, _)| end);
        let (piece, left) = rest.split_at(end);
        pieces.push(piece.to_owned());
        rest = left;
    }
    pieces
}

/// The whole answer to a call.
pub fn text(call: usize, speech: Speech) -> String {
    pieces(call, speech).concat()
}

/// The whole answers to the calls that a writing is the prompt of.
pub fn to(notes: &Notes, writing: usize) -> Vec<String> {
    let Some(writing) = notes.writings.get(writing) else {
        return Vec::new();
    };
    let calls = writing.calls.iter();
    calls.map(|call| text(*call, writing.speech)).collect()
}

/// How a text differs from what the bot said, if it is the beginning of none of these answers.
pub fn unlike(answers: &[String], shown: &str) -> Option<String> {
    // Before its first word a reply has said nothing, whoever was called.
    if shown.is_empty() || answers.iter().any(|answer| answer.starts_with(shown)) {
        return None;
    }
    Some(match answers.last() {
        Some(answer) => difference(shown, answer),
        None => format!("{} bytes, and the bot was never called", shown.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_calls_are_answered_alike_and_each_alike_every_time() {
        assert_ne!(text(1, Speech::Any), text(2, Speech::Any));
        assert_eq!(text(1, Speech::Any), text(1, Speech::Any));
        assert!(text(12, Speech::Steady).starts_with("c12 "));
        assert_eq!(text(3, Speech::Wide).len(), "c3 ".len() + WIDE_BYTES);
        assert!(pieces(5, Speech::Any).iter().all(|piece| !piece.is_empty()));
    }

    #[test]
    fn a_text_is_of_one_answer_from_its_beginning_on() {
        let answers = [text(1, Speech::Any), text(2, Speech::Any)];
        for shown in ["", "c1", "c2 ", answers[0].as_str()] {
            assert_eq!(unlike(&answers, shown), None, "{shown}");
        }
        let both = format!("{}!", answers[1]);
        for shown in ["c3 ", "2 ", both.as_str()] {
            assert!(unlike(&answers, shown).is_some(), "{shown}");
        }
        assert!(unlike(&[], "c1 ").unwrap().contains("never called"));
    }
}
