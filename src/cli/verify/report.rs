//! What a trial found, for people and for programs.

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::judge::{Finding, Verdict};
use super::ledger::{Notes, Trouble};
use super::plan::Plan;
use crate::cli::page::{Page, plural, printable};

/// How many cases of one promise are shown to people; the report for programs has them all.
const BREACHES_SHOWN_MAX: usize = 10;
/// From here on the machine's own slowness is worth a word, in milliseconds.
const SLACK_TOLD_MS: i64 = 1_000;

/// What a trial found.
pub struct Report {
    /// What was to be tried.
    pub plan: Plan,
    /// Where the data is, or was.
    pub place: String,
    /// What was done.
    pub notes: Notes,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What is kept of it, if it is.
    pub kept: Option<Kept>,
}

/// What is kept of a trial, and where.
pub struct Kept {
    /// The data of the servers.
    pub data: String,
    /// The folder of their logs.
    pub logs: String,
}

/// How many promises were broken.
pub fn broken(findings: &[Finding]) -> usize {
    let broken = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Broken);
    broken.count()
}

impl Report {
    /// Whether everything that was tried was held.
    pub fn is_held(&self) -> bool {
        broken(&self.findings) == 0
    }

    fn hurts(&self, trouble: Trouble) -> usize {
        let hurts = self
            .notes
            .disturbances
            .iter()
            .filter(|done| done.trouble == trouble);
        hurts.count()
    }

    /// For people.
    pub fn page(&self) -> Page {
        let mut page = Page::new();
        let servers = self.plan.servers;
        page.heading(&format!(
            "{servers} {} on {}, seed {}",
            plural(servers, "server"),
            self.place,
            self.plan.seed
        ));
        page.line(&format!(
            "{} kills, {} terminations, {} freezes, {} lines cut in {} s.",
            self.hurts(Trouble::Kill),
            self.hurts(Trouble::Terminate),
            self.hurts(Trouble::Freeze),
            self.notes.cuts,
            self.plan.time.as_secs(),
        ));
        page.gap();
        page.table(
            ["", "promise", "tried", "found"],
            self.findings.iter().map(row).collect(),
        );
        page.gap();
        for finding in self
            .findings
            .iter()
            .filter(|finding| !finding.breaches.is_empty())
        {
            breaches(&mut page, finding);
        }
        if self.notes.slack_ms >= SLACK_TOLD_MS {
            let slow = self.notes.slack_ms as f64 / 1_000.0;
            page.line(&format!(
                "This machine or its store took up to {slow:.1} s for what takes no time; all bounds in time were taken so much longer."
            ));
        }
        if let Some(Kept { data, logs }) = &self.kept {
            page.line(&format!("The data is kept: {}", printable(data)));
            page.line(&format!("The servers' logs are in {}", printable(logs)));
        }
        let broken = broken(&self.findings);
        let (colour, verdict) = match broken {
            0 => (AnsiColor::Green, "Everything that was tried was held.".to_owned()),
            _ => (
                AnsiColor::Red,
                format!("{broken} {} BROKEN.", plural(broken, "promise")),
            ),
        };
        let style = colour.on_default().bold();
        page.line(&format!("{style}{verdict}{style:#}"));
        page
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({
            "verdict": if self.is_held() { "held" } else { "broken" },
            "seed": self.plan.seed,
            "seconds": self.plan.time.as_secs(),
            "servers": self.plan.servers,
            "place": self.place,
            "trouble": {
                "kills": self.hurts(Trouble::Kill),
                "terminations": self.hurts(Trouble::Terminate),
                "freezes": self.hurts(Trouble::Freeze),
                "cuts": self.notes.cuts,
            },
            "bot": {
                "calls": self.notes.calls.len(),
                "asked_again": self.notes.writings.iter().filter(|writing| writing.calls.len() > 1).count(),
            },
            "deleted": { "chats": self.notes.chats_deleted(), "messages": self.notes.messages_deleted() },
            "pairs": self.notes.pairs.len(),
            "slack_ms": self.notes.slack_ms,
            "promises": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "data": self.kept.as_ref().map(|kept| &kept.data),
            "logs": self.kept.as_ref().map(|kept| &kept.logs),
        })
    }
}

fn row(finding: &Finding) -> [String; 4] {
    let number = finding.number.map(|number| number.to_string());
    let (tried, found) = match finding.verdict {
        Verdict::Held => (finding.tried.clone(), "held".to_owned()),
        Verdict::Broken => (
            finding.tried.clone(),
            format!("BROKEN: {}", finding.breaches.len()),
        ),
        Verdict::NotTried(why) => (why.to_owned(), "not tried".to_owned()),
    };
    [
        number.unwrap_or_default(),
        finding.promise.to_owned(),
        tried,
        found,
    ]
}

fn breaches(page: &mut Page, finding: &Finding) {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    page.line(&format!("{red}BROKEN{red:#}  {}:", finding.promise));
    for breach in finding.breaches.iter().take(BREACHES_SHOWN_MAX) {
        page.line(&format!("  {}", printable(&breach.ids.join(", "))));
        for line in breach.what.lines() {
            page.line(&format!("    {}", printable(line)));
        }
    }
    let more = finding.breaches.len().saturating_sub(BREACHES_SHOWN_MAX);
    if more > 0 {
        page.line(&format!("  and {more} more; --json has them all"));
    }
    page.gap();
}
