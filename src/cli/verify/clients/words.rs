//! What the trial's clients say: short texts in two scripts and with characters of every length.

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
const WORDS_MAX: usize = 24;

/// Something to say, in one of the bot's languages.
pub fn text(rng: &mut Rng) -> String {
    let words = if rng.bool() { &ENGLISH } else { &HINDI };
    let said = (0..rng.usize(1..WORDS_MAX)).map(|_| *rng.choice(words).unwrap_or(&"sea"));
    // The end is the same each time, so that no text is all blanks.
    said.chain([words.last().copied().unwrap_or_default()])
        .collect::<Vec<_>>()
        .join(" ")
}
