//! `/api/v1/alerts` and `/api/v1/alerts/test`.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problems;
use crate::alerts::webhook::WebhookTry;
use crate::alerts::{ActiveAlerts, Alert, AlertInJson};
use crate::settings::FieldErrors;
use crate::web::error::ApiError;
use crate::web::extract::Ctx;

/// The alerts that there are, and how the webhook does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alerts)]
pub(in crate::web) struct AlertsBody {
    #[schema(value_type = Vec<AlertInJson>)]
    alerts: Vec<Alert>,
    /// Suspended next hops beyond those that have an alert of their own.
    next_hops_left_out: usize,
    webhook: WebhookState,
}

#[derive(Debug, Serialize, ToSchema)]
struct WebhookState {
    /// It has an address.
    is_set: bool,
    /// Changes that it has not been sent yet.
    pending: usize,
    /// The last try; null before the first one since start.
    last: Option<WebhookTry>,
}

/// The alerts of this moment, and how the webhook does.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    tag = "alerts",
    responses((status = 200, body = AlertsBody)),
)]
pub(in crate::web) async fn list(context: Ctx) -> Json<AlertsBody> {
    let ActiveAlerts {
        alerts,
        next_hops_left_out,
    } = (*context.alerts.present()).clone();
    let webhook = context.alerts.webhook();
    let settings = context.administration.settings();
    Json(AlertsBody {
        alerts,
        next_hops_left_out,
        webhook: WebhookState {
            is_set: settings.alert_webhook_url.is_some(),
            pending: webhook.pending(),
            last: webhook.last(),
        },
    })
}

/// Tries the webhook once and says what came of it; that it fails is an answer, no error. For
/// administrators.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/test",
    tag = "alerts",
    responses(
        (status = 200, body = WebhookTry),
        (status = 422, body = Problems, description = "No webhook is set"),
    ),
)]
pub(in crate::web) async fn test(context: Ctx) -> Result<Json<WebhookTry>, ApiError> {
    let tried = context.alerts.webhook().test().await;
    tried
        .map(Json)
        .ok_or_else(|| ApiError::Fields(FieldErrors::of("alert_webhook_url", "no webhook is set")))
}
