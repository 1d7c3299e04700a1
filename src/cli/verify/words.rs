//! What clients and the bot of the trial say: words in two scripts and with characters of every length.

use fastrand::Rng;

const ENGLISH: [&str; 12] = [
    "Tell",
    "me",
    "about",
    "the",
    "sea",
    "storm,",
    "harbour",
    "and\n",
    "every",
    "ship 🚢",
    "that",
    "came.",
];
const HINDI: [&str; 12] = [
    "मुझे",
    "समुद्र",
    "के",
    "बारे",
    "में",
    "बताओ",
    "तूफ़ान",
    "और\n",
    "हर",
    "जहाज़ 🌊",
    "क्षितिज",
    "था।",
];
/// The most words of what a client says, but for the first, which tells it from everything else that is said.
const WORDS_MAX: usize = 24;
/// What a message begins with, before its number among the writings.
pub const WRITING_MARK: &str = "q";
/// What an answer of the bot begins with, before the number of the call.
pub const ANSWER_MARK: &str = "c";

/// What a client says in the writing of a number, in one of two languages.
pub fn text(rng: &mut Rng, number: usize) -> String {
    let length = rng.usize(1..WORDS_MAX);
    format!("{} {}", name(number), some(rng, length))
}

/// The first word of the writing of a number. Nobody else says it.
pub fn name(number: usize) -> String {
    format!("{WRITING_MARK}{number}")
}

/// So many words, and one more.
pub fn some(rng: &mut Rng, length: usize) -> String {
    let words = if rng.bool() { &ENGLISH } else { &HINDI };
    let said = (0..length).map(|_| *rng.choice(words).unwrap_or(&"sea"));
    // The end is the same each time, so that no text ends with a blank.
    said.chain([words.last().copied().unwrap_or_default()])
        .collect::<Vec<_>>()
        .join(" ")
}

/// The number behind the mark with which a text begins.
pub fn number(text: &str, mark: &str) -> Option<usize> {
    let first = text.split(' ').next()?;
    first.strip_prefix(mark)?.parse().ok()
}
