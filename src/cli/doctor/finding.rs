//! One thing that was looked at, and whether it is well.

use serde_json::{Value, json};

/// Whether something is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Ok,
    /// It works, but somebody should know.
    Warning,
    /// It does not work.
    Problem,
}

impl Verdict {
    /// The mark in front of a finding.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is well.
    pub verdict: Verdict,
    /// What was looked at.
    pub subject: String,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Finding {
    /// Something that is well.
    pub fn ok(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, subject, detail)
    }

    /// Something that works, but that somebody should know.
    pub fn warning(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, subject, detail)
    }

    /// Something that does not work.
    pub fn problem(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Problem, subject, detail)
    }

    /// The finding with what to do about it.
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The finding in a report for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "verdict": self.verdict.name(),
            "subject": self.subject,
            "detail": self.detail,
            "advice": self.advice,
        })
    }

    fn new(verdict: Verdict, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            verdict,
            subject: subject.into(),
            detail: detail.into(),
            advice: None,
        }
    }
}

/// How many findings have a verdict.
pub fn count(findings: &[Finding], verdict: Verdict) -> usize {
    findings
        .iter()
        .filter(|finding| finding.verdict == verdict)
        .count()
}
