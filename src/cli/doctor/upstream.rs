//! The service of a bot.

use super::finding::Finding;
use crate::app;
use crate::bot::Probed;
use crate::config::OpenAiConfig;
use crate::telemetry::causes::causes;

/// What to say about an OpenAI-compatible service. Its key is shown to it and to nobody else.
pub async fn finding(service: &OpenAiConfig) -> Finding {
    match app::probe_service(service).await {
        Ok(probed) => judge(service, &probed),
        Err(error) => Finding::problem("bot", causes(&error).to_string()),
    }
}

fn judge(service: &OpenAiConfig, probed: &Probed) -> Finding {
    let (models, model) = (service.base_url.join("models"), &service.model);
    let ok = |detail: String| Finding::ok("bot", detail);
    let warning = |detail: String| Finding::warning("bot", detail);
    let problem = |detail: String| Finding::problem("bot", detail);
    match probed {
        Probed::Answered { has_model: Some(true) } => ok(format!("{models} answers, and has {model}")),
        Probed::Answered { has_model: Some(false) } => {
            warning(format!("{models} answers, and does not list {model}"))
                .advise("see that --openai-model is spelt as the service spells it; some take more than they list")
        }
        Probed::Answered { has_model: None } => warning(format!("{models} answers, but with no list of models"))
            .advise("see that --openai-base-url is where the service's API begins, most often with /v1"),
        Probed::Refused(status @ (401 | 403)) => problem(format!("{models} answers {status}")).advise(
            match service.api_key {
                Some(_) => "OPENAI_API_KEY is set, but the service does not take it: see that it is this service's",
                None => "set OPENAI_API_KEY to a key of the service",
            },
        ),
        Probed::Refused(404 | 405) => warning(format!("{models} is not there, though the service is")).advise(
            "see that --openai-base-url is where the service's API begins; some services have no list of models",
        ),
        Probed::Refused(429) => warning(format!("{models} answers 429: it has enough for now"))
            .advise("see the limits and the credit of the account"),
        Probed::Refused(status @ 300..=399) => problem(format!("{models} answers {status}, which is elsewhere"))
            .advise("set --openai-base-url to the address that it leads to: redirects are not followed, lest they carry the key away"),
        Probed::Refused(status) => {
            problem(format!("{models} answers {status}")).advise("see the service's own log, or its status page")
        }
        Probed::Unreachable(why) => problem(format!("{models} cannot be reached: {why}"))
            .advise("see that the service runs, and that this machine may reach it"),
        Probed::Silent => problem(format!("{models} does not answer in time"))
            .advise("see that the service runs, and that no firewall swallows what is sent to it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;
    use crate::config::{ApiKey, UpstreamTimeouts, UpstreamUrl};

    #[test]
    fn each_answer_of_a_service_has_its_verdict_and_none_tells_the_key() {
        let service = OpenAiConfig {
            base_url: UpstreamUrl::parse("http://host/v1").unwrap(),
            model: "m".to_owned(),
            api_key: Some(ApiKey::parse("secret").unwrap()),
            system_prompt: String::new(),
            max_tokens: None,
            timeouts: UpstreamTimeouts::default(),
        };
        let answered = |has_model| Probed::Answered { has_model };
        for (probed, verdict) in [
            (answered(Some(true)), Verdict::Ok),
            (answered(Some(false)), Verdict::Warning),
            (answered(None), Verdict::Warning),
            (Probed::Refused(401), Verdict::Problem),
            (Probed::Refused(404), Verdict::Warning),
            (Probed::Refused(429), Verdict::Warning),
            (Probed::Refused(308), Verdict::Problem),
            (Probed::Refused(500), Verdict::Problem),
            (Probed::Unreachable("why".to_owned()), Verdict::Problem),
            (Probed::Silent, Verdict::Problem),
        ] {
            let finding = judge(&service, &probed);
            assert_eq!(finding.verdict, verdict, "{probed:?}");
            assert_eq!(finding.advice.is_none(), verdict == Verdict::Ok, "{probed:?}");
            assert!(!format!("{finding:?}").contains("secret"));
        }
    }
}
