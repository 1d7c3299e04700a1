//! What `colloquy doctor` says.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A report for programs.
pub struct Report {
    /// What it ended with.
    pub code: i32,
    /// The report.
    pub report: Value,
    /// Everything that was printed.
    pub printed: String,
}

impl Report {
    /// Runs `colloquy doctor --format json` on a store.
    pub fn of(store: &str, arguments: &[&str]) -> Self {
        Self::in_environment(store, arguments, &[])
    }

    /// [`Report::of`], with variables.
    pub fn in_environment(store: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let output = run(store, &[&["--format", "json"], arguments].concat(), variables);
        let text = String::from_utf8(output.stdout).unwrap();
        let report = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        Self {
            code: output.status.code().unwrap(),
            report,
            printed: text + &String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The verdicts of everything of a subject, each with its detail.
    pub fn findings(&self, subject: &str) -> Vec<(&str, &str)> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        findings
            .filter(|finding| finding["subject"] == subject)
            .map(|finding| {
                (
                    finding["verdict"].as_str().unwrap(),
                    finding["detail"].as_str().unwrap(),
                )
            })
            .collect()
    }

    /// The verdict of the one finding of a subject.
    pub fn verdict(&self, subject: &str) -> &str {
        let findings = self.findings(subject);
        assert_eq!(findings.len(), 1, "{subject}: {}", self.printed);
        findings[0].0
    }
}

/// Runs `colloquy doctor` on a store.
pub fn run(store: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    for variable in [
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
        "NO_COLOR",
        "CLICOLOR_FORCE",
    ] {
        doctor.env_remove(variable);
    }
    doctor
        .args(["--store", store, "--listen", "127.0.0.1:0", "doctor"])
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
