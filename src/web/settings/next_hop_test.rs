//! `/settings/next-hops/test`: speaks with a next hop's server and shows each step. No mail is sent.

use std::sync::Arc;

use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::submission::Submission;
use super::{FormAnswer, unprocessable};
use crate::delivery::{Probe, ProbeFinding, ProbeStepKind};
use crate::settings::catalogue::{NEXT_HOPS, read_server};
use crate::settings::names::server_problem;
use crate::settings::next_hop::NextHopPolicy;
use crate::settings::{FieldErrors, NextHop, Settings, TlsPolicy, is_domain};
use crate::web::access::Visitor;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::{Context, wording};
use axum::response::IntoResponse as _;

/// Which next hop.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NextHopTest)]
pub(in crate::web) struct NextHopTestRequest {
    /// Where mail for this domain would go.
    domain: Option<String>,
    /// This server, whatever the domain.
    address: Option<String>,
    /// The policy; without it that of the domain's next hop.
    tls: Option<String>,
}

impl NextHopTestRequest {
    fn of(submission: &Submission) -> Self {
        let text = |name| {
            let text = submission.text(name).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        Self {
            domain: text("domain"),
            address: text("address"),
            tls: text("tls"),
        }
    }

    /// The next hop that is meant.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub(in crate::web) fn next_hop(
        &self,
        settings: &Settings,
    ) -> Result<Arc<NextHop>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let read_tls = |word: &String| serde_json::from_value::<TlsPolicy>(word.as_str().into());
        let tls = self.tls.as_ref().map(read_tls).transpose();
        let tls = tls.unwrap_or_else(|_| {
            errors.add("tls", "must be opportunistic or never");
            None
        });
        let defaults = &settings.next_hop_defaults;
        let policy = NextHopPolicy {
            tls: tls.unwrap_or(defaults.tls),
            ..defaults.clone()
        };
        let found = match (&self.address, &self.domain) {
            (Some(address), _) => read_server(address)
                .and_then(|server| server_problem(&server).map_or(Ok(server), Err))
                .map(|server| policy.at(&server).into())
                .map_err(|problem| ("address", problem)),
            (None, Some(domain)) => domain_name(domain)
                .map(|domain| match tls {
                    Some(_) => policy.by_mx(&domain).into(),
                    None => settings.next_hop_for(&domain),
                })
                .map_err(|problem| ("domain", problem)),
            (None, None) => Err(("domain", "give a domain".to_owned())),
        };
        match found {
            Ok(next_hop) => errors.into_result().map(|()| next_hop),
            Err((field, problem)) => {
                errors.add(field, problem);
                Err(errors)
            }
        }
    }
}

/// A domain as it is looked up; one that means all below another is tested by that other.
fn domain_name(text: &str) -> Result<String, String> {
    let domain = text.trim().trim_matches('.').to_lowercase();
    if is_domain(&domain) {
        Ok(domain)
    } else {
        Err(format!("“{text}” is not a domain"))
    }
}

#[derive(Template)]
#[template(path = "settings/next_hop_test.html")]
struct NextHopTestPage {
    frame: Frame,
    notice: Option<&'static str>,
    domain: String,
    problem: Option<String>,
    result: Option<NextHopTestResult>,
}

struct NextHopTestResult {
    next_hop: Arc<str>,
    /// The class of its sentence.
    mark: &'static str,
    sentence: &'static str,
    steps: Vec<ProbeStepRow>,
    /// What was asked, to be asked again.
    request: NextHopTestRequest,
}

struct ProbeStepRow {
    name: &'static str,
    mark: &'static str,
    finding: &'static str,
    words: String,
    took: String,
}

/// The page with nothing tested yet.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor) -> Page {
    show(&context, visitor, String::new(), None, None)
}

/// Tests, and shows what was found.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let request = NextHopTestRequest::of(&submission);
    let domain = request.domain.clone().unwrap_or_default();
    let next_hop = match request.next_hop(&context.administration.settings()) {
        Ok(next_hop) => next_hop,
        Err(errors) => {
            let problem = errors.0.into_values().next();
            return unprocessable(show(&context, visitor, domain, problem, None)?);
        }
    };
    let probe = context.delivery.probe(&next_hop).await;
    let result = result(&next_hop, probe, request);
    Ok(show(&context, visitor, domain, None, Some(result))?.into_response())
}

fn show(
    context: &Context,
    visitor: Visitor,
    domain: String,
    problem: Option<String>,
    result: Option<NextHopTestResult>,
) -> Page {
    let title = match &result {
        Some(result) => format!("Test of {}", result.next_hop),
        None => "Test a connection".to_owned(),
    };
    render(&NextHopTestPage {
        frame: Frame::new(context, visitor, Section::Settings, title).below(NEXT_HOPS.title),
        notice: None,
        domain,
        problem,
        result,
    })
}

fn result(next_hop: &NextHop, probe: Probe, request: NextHopTestRequest) -> NextHopTestResult {
    let (mark, sentence) = match (probe.ready, probe.tls, next_hop.tls) {
        (false, ..) => ("bad", "No mail goes this way now."),
        (true, true, _) => ("good", "Ready for mail, encrypted."),
        (true, false, TlsPolicy::Never) => {
            ("good", "Ready for mail, unencrypted as its policy says.")
        }
        (true, false, TlsPolicy::Opportunistic) => ("doubtful", "Ready for mail, but unencrypted."),
    };
    NextHopTestResult {
        next_hop: probe.next_hop,
        mark,
        sentence,
        steps: probe
            .steps
            .into_iter()
            .map(|step| {
                let (mark, finding) = finding(step.finding);
                ProbeStepRow {
                    name: step_name(step.kind),
                    mark,
                    finding,
                    words: step.words,
                    took: wording::latency(Some(step.seconds)),
                }
            })
            .collect(),
        request,
    }
}

fn step_name(kind: ProbeStepKind) -> &'static str {
    match kind {
        ProbeStepKind::LookUp => "Look-up",
        ProbeStepKind::Connection => "Connection",
        ProbeStepKind::Greeting => "Greeting",
        ProbeStepKind::Ehlo => "EHLO",
        ProbeStepKind::Helo => "HELO",
        ProbeStepKind::StartTls => "STARTTLS",
        ProbeStepKind::Certificate => "Certificate",
        ProbeStepKind::Noop => "NOOP",
        ProbeStepKind::Quit => "QUIT",
    }
}

fn finding(finding: ProbeFinding) -> (&'static str, &'static str) {
    match finding {
        ProbeFinding::Good => ("good", "fine"),
        ProbeFinding::Doubtful => ("doubtful", "note"),
        ProbeFinding::Bad => ("bad", "failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsDocument;

    #[test]
    fn the_next_hop_that_is_meant() {
        let written: SettingsDocument = serde_json::from_value(serde_json::json!({
            "default_next_hop": "smtp://127.0.0.1:2600",
            "next_hops": [{"domain": "example.net", "tls": "never"}],
        }))
        .expect("settings");
        let settings = Settings::new(written).expect("they hold");
        let check = |json: serde_json::Value, expected: Result<(&str, TlsPolicy), &str>| {
            let request: NextHopTestRequest =
                serde_json::from_value(json.clone()).expect("a request");
            let found = request.next_hop(&settings);
            let found = found.as_ref().map(|hop| (&**hop.name(), hop.tls));
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{json}"),
                (Err(errors), Err(field)) => assert!(errors.0.contains_key(field), "{json}"),
                (found, _) => panic!("{json}: {found:?}"),
            }
        };
        let (never, offered) = (TlsPolicy::Never, TlsPolicy::Opportunistic);
        check(
            serde_json::json!({"domain": "Example.net"}),
            Ok(("example.net", never)),
        );
        check(
            serde_json::json!({"domain": "example.org"}),
            Ok(("127.0.0.1:2600", offered)),
        );
        check(
            serde_json::json!({"domain": ".example.org", "tls": "never"}),
            Ok(("example.org", never)),
        );
        check(
            serde_json::json!({"address": "mx.example.com", "domain": "x"}),
            Ok(("mx.example.com:25", offered)),
        );
        check(serde_json::json!({}), Err("domain"));
        check(serde_json::json!({"domain": "a b"}), Err("domain"));
        check(serde_json::json!({"address": "a b"}), Err("address"));
        check(
            serde_json::json!({"domain": "a", "tls": "maybe"}),
            Err("tls"),
        );
    }
}
