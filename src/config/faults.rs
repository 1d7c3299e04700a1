//! The fault script: what goes wrong in an answer of the offline bot, so that every bad day can be rehearsed.
//!
//! The grammar and what each fault looks like to a client are in `docs/faults.md`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One thing that goes wrong. Places are bytes of the answer's text; one past its end is its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `delay=TIME`: silence before the first piece.
    Delay(Duration),
    /// `stall@BYTES=TIME`: silence in the middle, then it goes on.
    Stall {
        /// Where.
        at: usize,
        /// How long.
        time: Duration,
    },
    /// `timeout@BYTES=TIME`: silence in the middle, then it is given up.
    Timeout {
        /// Where.
        at: usize,
        /// How long.
        time: Duration,
    },
    /// `cut@BYTES`: the answer breaks off, in the middle of a character if the place is one.
    Cut {
        /// Where.
        at: usize,
    },
    /// `no-usage`: nobody says how many tokens it took.
    NoUsage,
    /// `status=CODE`: the answer is refused as an HTTP service would.
    Status(u16),
    /// `retry-after=SECONDS`: the refusal passes after this time.
    RetryAfter(Duration),
    /// `duplicate@N`: the Nth piece, counted from 1, is said twice.
    Duplicate {
        /// Which.
        piece: usize,
    },
    /// `huge=BYTES`: the answer is stretched to this size.
    Huge {
        /// How many bytes.
        bytes: usize,
    },
    /// `random=SEED`: one of the others, by the seed and the question.
    Random {
        /// What to choose by.
        seed: u64,
    },
}

impl Fault {
    /// What it is called in a script.
    fn name(self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Stall { .. } => "stall",
            Self::Timeout { .. } => "timeout",
            Self::Cut { .. } => "cut",
            Self::NoUsage => "no-usage",
            Self::Status(_) => "status",
            Self::RetryAfter(_) => "retry-after",
            Self::Duplicate { .. } => "duplicate",
            Self::Huge { .. } => "huge",
            Self::Random { .. } => "random",
        }
    }
}

/// Several faults, each kind at most once. Its text form is what `--builtin-faults` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultScript(Vec<Fault>);

/// Why a text is no fault script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in `{part}`: {reason}")]
pub struct FaultScriptError {
    /// The part that is wrong, cut to [`FaultScript::PART_CHARS_MAX`] characters.
    pub part: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FaultScript {
    /// The most bytes of a script: each fault once, with room to spare.
    pub const BYTES_MAX: usize = 512;
    /// The most characters of a part that an error repeats.
    pub const PART_CHARS_MAX: usize = 40;
    /// The longest silence: ten minutes.
    pub const TIME_MAX: Duration = Duration::from_secs(600);
    /// The farthest place, and the largest answer: four times what a reply may have.
    pub const PLACE_MAX: usize = 4 * 1024 * 1024;

    /// Reads a script.
    pub fn parse(text: &str) -> Result<Self, FaultScriptError> {
        if text.len() > Self::BYTES_MAX {
            return Err(wrong(text, "a script is at most 512 bytes long"));
        }
        let mut script = Self(Vec::new());
        for part in text.split(',').map(str::trim) {
            let fault = parse_part(part).map_err(|reason| wrong(part, reason))?;
            if script.0.iter().any(|other| other.name() == fault.name()) {
                return Err(wrong(part, "each kind of fault stands in a script once"));
            }
            script.0.push(fault);
        }
        script.check_combination()?;
        Ok(script)
    }

    /// The faults, in the order they were written.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }

    /// The script with a random fault made definite: the same for the same seed and question.
    pub fn resolved(&self, question: &str) -> Self {
        let random = self.0.iter().find_map(|fault| match fault {
            Fault::Random { seed } => Some(*seed),
            _ => None,
        });
        match random {
            Some(seed) => Self(vec![Chance::new(seed, question).fault()]),
            None => self.clone(),
        }
    }

    fn check_combination(&self) -> Result<(), FaultScriptError> {
        let refusal = self.0.iter().find_map(|fault| match fault {
            Fault::Status(code) => Some(*code),
            _ => None,
        });
        for fault in &self.0 {
            let reason = match fault {
                Fault::Random { .. } if self.0.len() > 1 => "a random fault stands alone",
                Fault::RetryAfter(_) if !matches!(refusal, Some(429 | 503)) => {
                    "retry-after goes with status=429 or status=503"
                }
                _ => continue,
            };
            return Err(wrong(&fault.to_string(), reason));
        }
        Ok(())
    }
}

impl FromStr for FaultScript {
    type Err = FaultScriptError;

    fn from_str(text: &str) -> Result<Self, FaultScriptError> {
        Self::parse(text)
    }
}

/// The script as it is written; reading it again gives the same.
impl fmt::Display for FaultScript {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(out, "{comma}{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())?;
        match self {
            Self::Delay(time) => write!(out, "={}ms", time.as_millis()),
            Self::Stall { at, time } | Self::Timeout { at, time } => {
                write!(out, "@{at}={}ms", time.as_millis())
            }
            Self::Cut { at } => write!(out, "@{at}"),
            Self::NoUsage => Ok(()),
            Self::Status(code) => write!(out, "={code}"),
            Self::RetryAfter(time) => write!(out, "={}", time.as_secs()),
            Self::Duplicate { piece } => write!(out, "@{piece}"),
            Self::Huge { bytes } => write!(out, "={bytes}"),
            Self::Random { seed } => write!(out, "={seed}"),
        }
    }
}

fn wrong(part: &str, reason: &'static str) -> FaultScriptError {
    let part = part.chars().take(FaultScript::PART_CHARS_MAX).collect();
    FaultScriptError { part, reason }
}

fn parse_part(part: &str) -> Result<Fault, &'static str> {
    let (head, value) = match part.split_once('=') {
        Some((head, value)) => (head, Some(value)),
        None => (part, None),
    };
    let (name, place) = match head.split_once('@') {
        Some((name, place)) => (name, Some(place)),
        None => (head, None),
    };
    Ok(match (name, place, value) {
        ("delay", None, Some(time)) => Fault::Delay(parse_time(time)?),
        ("stall", Some(at), Some(time)) => Fault::Stall {
            at: parse_bytes(at)?,
            time: parse_time(time)?,
        },
        ("timeout", Some(at), Some(time)) => Fault::Timeout {
            at: parse_bytes(at)?,
            time: parse_time(time)?,
        },
        ("cut", Some(at), None) => Fault::Cut { at: parse_bytes(at)? },
        ("no-usage", None, None) => Fault::NoUsage,
        ("status", None, Some(code)) => match code.parse() {
            Ok(code @ 400..=599) => Fault::Status(code),
            _ => return Err("a status is from 400 to 599"),
        },
        ("retry-after", None, Some(seconds)) => match seconds.parse() {
            Ok(seconds @ 0..=3600) => Fault::RetryAfter(Duration::from_secs(seconds)),
            _ => return Err("retry-after is from 0 to 3600 seconds, without a unit"),
        },
        ("duplicate", Some(piece), None) => match piece.parse() {
            Ok(piece @ 1..=1_000_000) => Fault::Duplicate { piece },
            _ => return Err("pieces are counted from 1 to 1000000"),
        },
        ("huge", None, Some(bytes)) => Fault::Huge {
            bytes: parse_bytes(bytes)?,
        },
        ("random", None, Some(seed)) => match seed.parse() {
            Ok(seed) => Fault::Random { seed },
            Err(_) => return Err("a seed is a whole number below 2^64"),
        },
        _ => {
            return Err(
                "a fault is delay=TIME, stall@BYTES=TIME, timeout@BYTES=TIME, cut@BYTES, no-usage, status=CODE, \
                 retry-after=SECONDS, duplicate@N, huge=BYTES or random=SEED",
            );
        }
    })
}

fn parse_time(text: &str) -> Result<Duration, &'static str> {
    const REASON: &str = "a time is a whole number with ms, s or m, 10m at most";
    let (number, unit_ms) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1_000)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60_000)
    } else {
        return Err(REASON);
    };
    let millis = number.parse::<u32>().map_err(|_| REASON)?;
    let time = Duration::from_millis(u64::from(millis) * unit_ms);
    if time > FaultScript::TIME_MAX {
        return Err(REASON);
    }
    Ok(time)
}

fn parse_bytes(text: &str) -> Result<usize, &'static str> {
    const REASON: &str = "bytes are a whole number, with KB or MB or without, 4MB at most";
    let (number, unit) = if let Some(number) = text.strip_suffix("KB") {
        (number, 1024)
    } else if let Some(number) = text.strip_suffix("MB") {
        (number, 1024 * 1024)
    } else {
        (text, 1)
    };
    let bytes = number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes <= FaultScript::PLACE_MAX)
        .ok_or(REASON)
}

/// A small generator of random numbers (SplitMix64), written out so that a seed means the same for ever.
struct Chance(u64);

impl Chance {
    /// The places that a random fault can have: within what the bot answers to a sentence.
    const PLACES: u64 = 120;

    fn new(seed: u64, question: &str) -> Self {
        // FNV-1a of the question, begun with the seed.
        let start = seed ^ 0xcbf2_9ce4_8422_2325;
        Self(question.bytes().fold(start, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn fault(&mut self) -> Fault {
        let kind = self.below(8);
        let at = usize::try_from(self.below(Self::PLACES)).unwrap_or(0);
        let time = Duration::from_millis(100 + self.below(1_900));
        match kind {
            0 => Fault::Delay(time),
            1 => Fault::Stall { at, time },
            2 => Fault::Timeout { at, time },
            3 => Fault::Cut { at },
            4 => Fault::NoUsage,
            5 => Fault::Duplicate { piece: 1 + at / 8 },
            6 => Fault::Huge {
                bytes: 1024 * 1024 + at * 1024,
            },
            _ => Fault::Status(match self.below(5) {
                0 => 401,
                1 => 400,
                2 => 429,
                3 => 500,
                _ => 503,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_printed_as_it_is_read() {
        for (text, printed) in [
            (
                "delay=500ms, stall@40=2s,cut@57,no-usage",
                "delay=500ms,stall@40=2000ms,cut@57,no-usage",
            ),
            ("status=429,retry-after=3", "status=429,retry-after=3"),
            (
                "duplicate@3,huge=2MB,timeout@1KB=1m",
                "duplicate@3,huge=2097152,timeout@1024=60000ms",
            ),
            ("random=7", "random=7"),
        ] {
            let script = FaultScript::parse(text).unwrap();
            assert_eq!(script.to_string(), printed);
            assert_eq!(FaultScript::parse(printed), Ok(script));
        }
    }

    #[test]
    fn a_part_that_is_wrong_is_named() {
        for (text, part) in [
            ("", ""),
            ("cut@5,explode", "explode"),
            ("delay=5", "delay=5"),
            ("delay=11m", "delay=11m"),
            ("delay=-1s", "delay=-1s"),
            ("delay=99999999999s", "delay=99999999999s"),
            ("stall@40", "stall@40"),
            ("cut@5MB", "cut@5MB"),
            ("cut@x", "cut@x"),
            ("cut@18446744073709551615MB", "cut@18446744073709551615MB"),
            ("cut@1,cut@2", "cut@2"),
            ("status=200", "status=200"),
            ("retry-after=3", "retry-after=3"),
            ("status=500,retry-after=3", "retry-after=3"),
            ("status=429,retry-after=3s", "retry-after=3s"),
            ("duplicate@0", "duplicate@0"),
            ("huge=5MB", "huge=5MB"),
            ("random=x", "random=x"),
            ("cut@5,random=1", "random=1"),
        ] {
            let error = FaultScript::parse(text).unwrap_err();
            assert_eq!(error.part, part, "{error}");
            assert!(error.to_string().contains(&format!("`{part}`")), "{error}");
        }
        let error = FaultScript::parse(&"ह".repeat(10_000)).unwrap_err();
        assert_eq!(error.part.chars().count(), FaultScript::PART_CHARS_MAX);
    }

    #[test]
    fn a_random_fault_is_the_same_for_the_same_question_and_every_kind_comes_up() {
        let names = (0..200).map(|seed| {
            let script = FaultScript(vec![Fault::Random { seed }]);
            let resolved = script.resolved("a question");
            assert_eq!(resolved, script.resolved("a question"));
            assert_eq!(FaultScript::parse(&resolved.to_string()), Ok(resolved.clone()));
            resolved.0[0].name()
        });
        assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 8);
        let seven = FaultScript::parse("random=7").unwrap();
        assert_eq!(seven.resolved("Hello").to_string(), "delay=1793ms");
    }
}
