//! What was found of one promise.

use serde_json::{Value, json};

/// Whether a promise was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As far as it was tried.
    Held,
    /// At least once it was not.
    Broken,
    /// Nothing was tried, and why.
    NotTried(&'static str),
}

/// One case in which a promise was not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The messages or servers that it is about.
    pub ids: Vec<String>,
    /// What was found.
    pub what: String,
}

/// What was found of one promise.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its number in the list of promises; none of what is no promise of its own.
    pub number: Option<u8>,
    /// What it says.
    pub promise: &'static str,
    /// What was tried, and how often.
    pub tried: String,
    /// Whether it was held.
    pub verdict: Verdict,
    /// Each case in which it was not.
    pub breaches: Vec<Breach>,
}

impl Finding {
    /// Something that was tried `times`, as `tried` tells.
    pub fn of(number: u8, promise: &'static str, tried: String, times: usize, breaches: Vec<Breach>) -> Self {
        let verdict = match (breaches.is_empty(), times) {
            (false, _) => Verdict::Broken,
            (true, 0) => Verdict::NotTried("it did not come to that; try longer"),
            (true, _) => Verdict::Held,
        };
        Self {
            number: Some(number),
            promise,
            tried,
            verdict,
            breaches,
        }
    }

    /// Something that is not tried.
    pub fn not_tried(number: u8, promise: &'static str, why: &'static str) -> Self {
        Self {
            number: Some(number),
            promise,
            tried: String::new(),
            verdict: Verdict::NotTried(why),
            breaches: Vec::new(),
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let (verdict, reason) = match self.verdict {
            Verdict::Held => ("held", None),
            Verdict::Broken => ("broken", None),
            Verdict::NotTried(why) => ("not_tried", Some(why)),
        };
        let breaches = self.breaches.iter();
        let breaches = breaches.map(|breach| json!({ "ids": breach.ids, "what": breach.what }));
        json!({
            "number": self.number,
            "promise": self.promise,
            "verdict": verdict,
            "reason": reason,
            "tried": self.tried,
            "breaches": breaches.collect::<Vec<_>>(),
        })
    }
}

impl Breach {
    /// A breach about some ids.
    pub fn new<const N: usize>(ids: [&str; N], what: impl Into<String>) -> Self {
        Self {
            ids: ids.map(str::to_owned).into(),
            what: what.into(),
        }
    }
}
