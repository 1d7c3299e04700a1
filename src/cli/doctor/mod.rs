//! `colloquy doctor`: looks at everything, changes nothing, and says what to mend.

mod adoption;
mod configuration;
mod feed;
mod finding;
mod folder;
mod listing;
mod mongo;
mod tokens;
mod upstream;

use std::process::ExitCode;

use serde_json::{Value, json};

use self::finding::{Finding, Verdict};
use super::arguments::{Arguments, ReportFormat};
use super::complain;
use super::page::{self, Page};
use crate::app;
use crate::config::{BotConfig, StoreConfig};
use crate::store::inspection::{StoreInspection, Survey};
use crate::telemetry::causes::causes;

/// What the command takes.
#[derive(clap::Args, Clone, Copy)]
pub struct DoctorArguments {
    /// Look at every document of a MongoDB database that the documented system wrote, and say how it would be served
    /// and what would be added. Changes nothing; the right to read is enough.
    #[arg(long)]
    adopt: bool,
    /// How the report looks.
    #[arg(long, value_enum, default_value = "text")]
    format: ReportFormat,
}

/// The database of the documented system is a MongoDB's, and another store is asked to be adopted.
#[derive(Debug, thiserror::Error)]
#[error(
    "--adopt looks at a MongoDB database that the documented system wrote, and the store is a folder; \
     name the database with --store mongodb://HOST/DATABASE"
)]
struct NothingToAdopt;

/// Looks, and prints what was found: 0 if nothing is a problem, 1 if something is, 2 if it was told something wrong.
pub async fn doctor(arguments: &Arguments, options: DoctorArguments) -> ExitCode {
    if !options.adopt {
        return print(options.format, &check(arguments).await, None);
    }
    match arguments.store() {
        Ok(StoreConfig::Mongo(uri)) => {
            let (findings, survey) = adoption::look(&uri).await;
            print(options.format, &findings, survey.as_ref())
        }
        Ok(StoreConfig::Embedded(_)) => {
            complain(&NothingToAdopt);
            ExitCode::from(2)
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

/// Every check but those of an adoption. What cannot be read of the configuration keeps nothing else from being looked
/// at.
async fn check(arguments: &Arguments) -> Vec<Finding> {
    let mut findings = vec![configuration::whole(arguments.config())];
    findings.push(configuration::address(arguments.listen).await);
    if let Ok(auth) = arguments.auth() {
        findings.push(tokens::finding(auth.as_ref()).await);
    }
    if let Ok(store) = arguments.store() {
        findings.extend(match app::inspect_store(&store).await {
            Ok(StoreInspection::Folder(folder)) => folder::findings(&folder),
            Ok(StoreInspection::Mongo(mongo)) => mongo::findings(&mongo),
            Err(error) => vec![Finding::problem("store", causes(&error).to_string())],
        });
    }
    if let Ok(feed) = arguments.feed() {
        findings.push(feed::finding(&feed).await);
    }
    if let Ok(bot) = arguments.bot() {
        findings.push(match bot {
            BotConfig::Builtin(bot) => configuration::builtin(&bot),
            BotConfig::OpenAi(service) => upstream::finding(&service).await,
        });
    }
    findings
}

fn print(format: ReportFormat, findings: &[Finding], survey: Option<&Survey>) -> ExitCode {
    let printed = match format {
        ReportFormat::Text => {
            let mut page = Page::new();
            if let Some(survey) = survey {
                adoption::tables(&mut page, survey);
            }
            listing::list(&mut page, findings);
            page.print()
        }
        ReportFormat::Json => page::print_json(&report(findings, survey)),
    };
    if let Err(error) = printed {
        complain(&error);
        return ExitCode::FAILURE;
    }
    match finding::count(findings, Verdict::Problem) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn report(findings: &[Finding], survey: Option<&Survey>) -> Value {
    let mut report = json!({
        "findings": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        "summary": {
            "ok": finding::count(findings, Verdict::Ok),
            "warnings": finding::count(findings, Verdict::Warning),
            "problems": finding::count(findings, Verdict::Problem),
        },
    });
    if let (Some(report), Some(survey)) = (report.as_object_mut(), survey) {
        report.insert("survey".to_owned(), adoption::to_json(survey));
    }
    report
}
