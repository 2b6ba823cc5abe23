//! What is answered when a request cannot be done: to programs a status and `{"error": "…"}`, to people a
//! page.

use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::extract::Request;
use axum::extract::rejection::{BytesRejection, FormRejection, QueryRejection};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;
use tracing::error;

use super::wording;
use crate::accounts::{Busy, Role};
use crate::administration::queue::ActionError;
use crate::administration::{AccountError, ChangeError};
use crate::clients::TooManyTries;
use crate::limits;
use crate::settings::FieldErrors;
use crate::store::{AccessRefusal, ReadError, StoreError};

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The request cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// No token, or a wrong one.
    #[error("a bearer token is needed")]
    TokenNeeded,
    /// The settings ask for HTTPS, and this came by plain HTTP.
    #[error("only HTTPS is spoken here")]
    HttpsNeeded,
    /// The visitor may not do this.
    #[error("this needs the role “{0}”")]
    RoleNeeded(Role),
    /// No such path, or nothing under this id.
    #[error("there is nothing here")]
    NotFound,
    /// The path is right, the method is not.
    #[error("this method is not for this path")]
    WrongMethod,
    /// The queue changed since the caller looked.
    #[error("{0}")]
    Conflict(String),
    /// The caller has tried too often; a later try may work.
    #[error(transparent)]
    TooOften(TooManyTries),
    /// Too many passwords are being set or checked, by all visitors together; a later try may work.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// There was no permit to search the trail in time; a later try may work.
    #[error("the trail is being searched by others, or by you elsewhere; try again in a moment")]
    TrailIsBusy,
    /// The body exceeds the limit.
    #[error("the body is too large")]
    TooLarge,
    /// Settings that do not hold, field by field.
    #[error("{0}")]
    Fields(FieldErrors),
    /// What was to be changed was not, and will not be: the appliance was busy with others.
    #[error("the appliance was busy for too long; nothing was changed")]
    Overdue,
    /// A read that took too long.
    #[error("this took too long")]
    TooLong,
    /// The request took too long to arrive.
    #[error("the request took too long to arrive; nothing was done")]
    TooSlow,
    /// What was to be changed may have been, or may still be.
    #[error("it is not known whether this was done: look before you repeat it; the log says why")]
    Unsettled(anyhow::Error),
    /// Only a part of it was done.
    #[error("{0}")]
    Unfinished(String),
    /// An error of ours: nothing was changed. The answer says that it is ours, the log says what it is.
    #[error("the appliance cannot do this now; its log says why")]
    Trouble(anyhow::Error),
}

impl ApiError {
    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TokenNeeded => StatusCode::UNAUTHORIZED,
            Self::HttpsNeeded | Self::RoleNeeded(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unsettled(_) | Self::Unfinished(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy(_)
            | Self::TrailIsBusy
            | Self::Overdue
            | Self::TooLong
            | Self::Trouble(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The header fields that belong to the status.
    pub(super) fn header(&self) -> HeaderMap {
        let retry_after = |wait: Duration| (header::RETRY_AFTER, wait.as_secs().into());
        let field = match self {
            Self::TokenNeeded => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::Busy(_) => retry_after(limits::PASSWORD_RETRY_AFTER),
            Self::TrailIsBusy => retry_after(limits::TRAIL_RETRY_AFTER),
            Self::Overdue => retry_after(limits::CHANGE_RETRY_AFTER),
            Self::TooOften(tries) => (header::RETRY_AFTER, tries.seconds().into()),
            _ => return HeaderMap::new(),
        };
        HeaderMap::from_iter([field])
    }
}

impl ApiError {
    /// Logs the cause that the answer does not name.
    pub(super) fn log(&self) {
        if let Self::Trouble(cause) | Self::Unsettled(cause) = self {
            error!(cause = format!("{cause:#}"), "a request failed");
        }
    }

    /// The store's error in a change; `error` is the whole error.
    fn of_change(cause: &StoreError, error: anyhow::Error) -> Self {
        match cause {
            StoreError::Overdue => Self::Overdue,
            cause if cause.is_certain() => Self::Trouble(error),
            _ => Self::Unsettled(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = match &self {
            Self::Fields(errors) => json!({"errors": errors}),
            _ => json!({"error": self.to_string()}),
        };
        self.log();
        (status, self.header(), Json(body)).into_response()
    }
}

/// An error that is shown to a person as a page.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct PageError(ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    status: StatusCode,
    words: String,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (status, header) = (self.0.status(), self.0.header());
        self.0.log();
        let page = ErrorPage {
            status,
            words: wording::sentence(&self.0.to_string()),
        };
        match page.render() {
            Ok(html) => (status, header, Html(html)).into_response(),
            Err(_) => (status, header, page.words).into_response(),
        }
    }
}

/// The path is one of the API.
pub(super) fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

/// The answer to a request that no handler answers: programs get JSON, people a line of text.
pub(super) fn refusal(request: &Request, error: ApiError) -> Response {
    refused(is_api(request.uri()), error)
}

/// The same where the request is not there any more.
pub(super) fn refused(is_api: bool, error: ApiError) -> Response {
    if is_api {
        return error.into_response();
    }
    error.log();
    (error.status(), error.header(), format!("{error}\n")).into_response()
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            _ => Self::BadRequest("the body did not arrive as a whole".to_owned()),
        }
    }
}

impl From<FormRejection> for ApiError {
    fn from(rejection: FormRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            // Not the rejection's words, which are about our source and may hold a piece of what was typed.
            _ => Self::BadRequest("this is not the form".to_owned()),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(_: QueryRejection) -> Self {
        Self::BadRequest("what stands behind the “?” of the address cannot be read".to_owned())
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::of_change(&error.clone(), error.into())
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(errors) => Self::Fields(errors),
            ChangeError::Unknown(_) => Self::NotFound,
            ChangeError::Busy(busy) => busy.into(),
            ChangeError::Store { ref cause, .. } => Self::of_change(&cause.clone(), error.into()),
            ChangeError::Interrupted(_) => Self::Unsettled(error.into()),
        }
    }
}

impl From<ActionError> for ApiError {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::CountChanged { .. } => Self::Conflict(error.to_string()),
            ActionError::Unread(error) => error.into(),
            // Nothing was done: a second try is safe.
            ActionError::Unfinished {
                affected: 0,
                ref cause,
                ..
            } => Self::of_change(&cause.clone(), error.into()),
            ActionError::Unfinished { .. } => Self::Unfinished(error.to_string()),
            ActionError::Died => Self::Unsettled(error.into()),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Invalid(errors) => Self::Fields(errors),
            AccountError::Refused(
                AccessRefusal::NoSuchAccount
                | AccessRefusal::NoSuchToken
                | AccessRefusal::SetupIsDone,
            ) => Self::NotFound,
            AccountError::Refused(refusal) => Self::Conflict(refusal.to_string()),
            AccountError::TooManyAttempts(tries) => Self::TooOften(tries),
            AccountError::Busy(busy) => busy.into(),
            AccountError::Store(error) => error.into(),
            AccountError::Read(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_meets_no_place_is_told_when_to_come_back() {
        let wait = Duration::from_millis(299_500);
        let tries = TooManyTries { wait };
        for (error, status, retry_after) in [
            (AccountError::Busy(Busy).into(), 503, Some("5")),
            (ChangeError::Busy(Busy).into(), 503, Some("5")),
            (ApiError::TrailIsBusy, 503, Some("5")),
            (AccountError::from(tries).into(), 429, Some("300")),
            (ApiError::NotFound, 404, None),
        ] {
            let what = format!("{error:?}");
            let answer = ApiError::into_response(error);
            assert_eq!(answer.status().as_u16(), status, "{what}");
            let found = answer.headers().get(header::RETRY_AFTER);
            let found = found.map(|value| value.to_str().expect("ASCII"));
            assert_eq!(found, retry_after, "{what}");
        }
    }
}
