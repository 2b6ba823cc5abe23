//! `/api/v1/conditions/content-filter/test`.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::conditions::{RuleSays, Ruling};
use crate::settings::conditions::Consequence;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, JsonBody};
use crate::web::settings::conditions::content_test::canonical;

/// A message that the rules are asked about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct ContentTest {
    /// As text, header and all.
    message: String,
}

/// What the rules say of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct ContentTestResult {
    /// All rules, in their order.
    rules: Vec<RuleResult>,
    /// The rule that decides; null when none does.
    wins: Option<String>,
    /// What would happen to the message.
    answer: ContentTestAnswer,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContentTestRule)]
struct RuleResult {
    name: String,
    says: ContentTestSays,
    /// What it matches, or why it cannot be asked.
    words: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ContentTestSays {
    Matches,
    DoesNotMatch,
    CannotBeAsked,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ContentTestAnswer {
    Pass,
    Refuse,
    Quarantine,
    Tag,
    Redirect,
    CannotTell,
}

/// Asks the rules of the content filter, as they are saved, about a message. Nothing is changed or
/// sent. For administrators.
#[utoipa::path(
    post,
    path = "/api/v1/conditions/content-filter/test",
    tag = "conditions",
    request_body = ContentTest,
    responses((status = 200, body = ContentTestResult)),
)]
pub(in crate::web) async fn test(
    context: Ctx,
    JsonBody(request): JsonBody<ContentTest>,
) -> Result<Json<ContentTestResult>, ApiError> {
    let settings = context.administration.settings();
    let message = canonical(&request.message);
    let conditions = &context.conditions;
    let answers = conditions.test_content_filter(&settings, message).await;
    let (wins, answer) = match answers.ruling() {
        Ruling::Nothing => (None, ContentTestAnswer::Pass),
        Ruling::CannotTell(..) => (None, ContentTestAnswer::CannotTell),
        Ruling::Won(rule, _) => {
            let answer = match &rule.consequence {
                Consequence::Refuse(_) => ContentTestAnswer::Refuse,
                Consequence::Quarantine => ContentTestAnswer::Quarantine,
                Consequence::Tag(_) => ContentTestAnswer::Tag,
                Consequence::Redirect(_) => ContentTestAnswer::Redirect,
                Consequence::Pass => ContentTestAnswer::Pass,
            };
            (Some(rule.name.clone()), answer)
        }
    };
    let rules = answers.all().map(|(rule, says)| {
        let (says, words) = match says {
            RuleSays::Matches(what) => (ContentTestSays::Matches, what.clone()),
            RuleSays::DoesNotMatch => (ContentTestSays::DoesNotMatch, String::new()),
            RuleSays::CannotBeAsked(why) => (ContentTestSays::CannotBeAsked, why.clone()),
            // A test asks them all.
            RuleSays::NotAsked => (ContentTestSays::CannotBeAsked, String::new()),
        };
        RuleResult {
            name: rule.name.clone(),
            says,
            words,
        }
    });
    Ok(Json(ContentTestResult {
        rules: rules.collect(),
        wins,
        answer,
    }))
}
