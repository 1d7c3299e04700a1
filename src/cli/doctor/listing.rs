//! The findings as lines of a page.

use anstyle::{AnsiColor, Style};

use super::finding::{self, Finding, Verdict};
use crate::cli::page::{Page, plural, printable};

/// Adds the findings, each with its mark, and how many of each there are.
pub fn list(page: &mut Page, findings: &[Finding]) {
    let widths = findings.iter().map(|finding| finding.subject.chars().count());
    let width = widths.max().unwrap_or_default();
    for finding in findings {
        let mark = mark(finding.verdict);
        let (name, subject) = (finding.verdict.name(), printable(&finding.subject));
        let detail = printable(&finding.detail);
        page.line(&format!("{mark}{name:<7}{mark:#}  {subject:<width$}  {detail}"));
        if let Some(advice) = &finding.advice {
            let indent = " ".repeat(width + 11);
            page.line(&format!("{indent}→ {}", printable(advice)));
        }
    }
    page.gap();
    let count = |verdict| finding::count(findings, verdict);
    let (warnings, problems) = (count(Verdict::Warning), count(Verdict::Problem));
    page.line(&format!(
        "{} ok, {warnings} {}, {problems} {}.",
        count(Verdict::Ok),
        plural(warnings, "warning"),
        plural(problems, "problem"),
    ));
}

fn mark(verdict: Verdict) -> Style {
    let color = match verdict {
        Verdict::Ok => AnsiColor::Green,
        Verdict::Warning => AnsiColor::Yellow,
        Verdict::Problem => AnsiColor::Red,
    };
    color.on_default().bold()
}
