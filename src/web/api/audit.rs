//! `/api/v1/audit`.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::{AuditFilter, AuditItem};
use crate::web::error::ApiError;
use crate::web::extract::Ctx;
use crate::web::pairs::Pairs;

/// A part of the audit, the newest entries first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct AuditPage {
    items: Vec<AuditItem>,
    /// Where the next page goes on, for `before`; none when the audit ends here.
    next: Option<i64>,
}

/// What was changed, the newest first: who, when, from where, what it was and what it is. For
/// administrators.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "audit",
    params(
        ("before" = Option<i64>, Query, description = "Entries with a smaller id: what the page before gave as `next`"),
        ("limit" = Option<u32>, Query, description = "Entries of the page, 100 unless said, 1000 at most"),
        AuditFilter,
    ),
    responses((status = 200, body = AuditPage)),
)]
pub(in crate::web) async fn list(
    context: Ctx,
    mut pairs: Pairs,
) -> Result<Json<AuditPage>, ApiError> {
    let limit = pairs.take_limit()?;
    let before = pairs.take_number("before")?;
    let before = before.map(|before| i64::try_from(before).unwrap_or(i64::MAX));
    let filter: AuditFilter = pairs.into_filter()?;
    let items = context
        .store
        .administration
        .audit_search(&filter, before, limit)
        .await?;
    let is_full = items.len() == limit.max(1) as usize;
    let next = items.last().filter(|_| is_full).map(|item| item.id);
    Ok(Json(AuditPage { items, next }))
}
