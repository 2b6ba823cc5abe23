//! Whether the process lives, and whether mail is taken: for service managers and load balancers.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::extract::Ctx;

/// 200 as long as anything is answered at all.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// 200 when mail is taken, else 503 with the reason.
pub(super) async fn ready(context: Ctx) -> Response {
    match (context.readiness)() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}
