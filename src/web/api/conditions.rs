//! `/api/v1/conditions`.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::conditions::{ServiceFigures, ServiceState};
use crate::message::DiskReason;
use crate::settings::conditions::built_in;
use crate::statistics::{ByReason, Window};
use crate::web::extract::Ctx;

/// The conditions, and the services that they ask.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conditions)]
pub(in crate::web) struct ConditionsBody {
    /// In the order in which they are looked into.
    conditions: Vec<ConditionBody>,
    /// Those that were asked since the start.
    services: Vec<ServiceBody>,
}

/// A condition; its parameters are among the settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Condition)]
struct ConditionBody {
    /// The word in reasons and in the settings.
    name: String,
    /// The feature is on.
    enabled: bool,
    /// Messages it concerns take the standard path.
    disables_fast_path: bool,
    /// Messages it sent there in the last day.
    diverted_last_day: u64,
}

/// A service, and how it fares.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Service)]
struct ServiceBody {
    name: String,
    /// It failed a neutral question and is left alone for so long, after which the next message has it asked
    /// another one; null when it is asked.
    left_alone_seconds: Option<f64>,
    /// How often it was asked since the start, or since its address was set.
    asked: u64,
    /// How often it could not tell.
    failed: u64,
    /// Why it could not tell last; empty when it always could.
    trouble: String,
    /// How long its last answer took; null before the first.
    answer_seconds: Option<f64>,
}

/// Which conditions are on, how many messages each diverted, and how their services fare.
#[utoipa::path(
    get,
    path = "/api/v1/conditions",
    tag = "conditions",
    responses((status = 200, body = ConditionsBody)),
)]
pub(in crate::web) async fn list(context: Ctx) -> Json<ConditionsBody> {
    let settings = context.administration.settings();
    let counts = context.statistics.disk_reasons(Window::Day);
    let built_in = built_in().map(|described| {
        let policy = settings.policy(described.kind);
        let disables = policy.disables_fast_path;
        condition(described.name, policy.is_on, disables, &counts)
    });
    let own = settings.own_conditions.iter();
    let own = own.map(|own| condition(&own.name, true, true, &counts));
    let services = context.conditions.services().into_iter();
    Json(ConditionsBody {
        conditions: built_in.chain(own).collect(),
        services: services.map(service).collect(),
    })
}

fn condition(
    name: &str,
    enabled: bool,
    disables_fast_path: bool,
    counts: &ByReason,
) -> ConditionBody {
    ConditionBody {
        name: name.to_owned(),
        enabled,
        disables_fast_path,
        diverted_last_day: counts.of(&DiskReason::Condition(name.into())),
    }
}

fn service(figures: ServiceFigures) -> ServiceBody {
    ServiceBody {
        name: figures.name.to_string(),
        left_alone_seconds: match figures.state {
            ServiceState::Asked => None,
            ServiceState::LeftAlone(pause) => Some(pause.as_secs_f64()),
        },
        asked: figures.asked,
        failed: figures.failed,
        trouble: figures.trouble,
        answer_seconds: figures.took.map(|took| took.as_secs_f64()),
    }
}
