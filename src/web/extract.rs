//! The extractors: what handlers take from a request, each as an argument of its own type. A request that
//! does not have it is refused before the handler runs.
//!
//! [`Visitor`](super::access::Visitor) and [`Origin`](super::origin::Origin) are arguments as well; the
//! layers around the routes have noted them.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use axum::Form;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::Uri;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Context;
use super::error::{ApiError, PageError, is_api};
use super::pairs::Pairs;
use crate::settings::reading;

/// The appliance, as an argument of a handler.
pub(super) type Ctx = State<Arc<Context>>;

/// Why a request was refused: programs get JSON, people a page.
#[derive(Debug)]
pub(super) struct Rejection {
    error: ApiError,
    is_api: bool,
}

impl Rejection {
    fn new(uri: &Uri, error: impl Into<ApiError>) -> Self {
        Self {
            error: error.into(),
            is_api: is_api(uri),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        rejection.error
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self.is_api {
            true => self.error.into_response(),
            false => PageError::from(self.error).into_response(),
        }
    }
}

/// A body of JSON, whatever its Content-Type says.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read_json(&Bytes::from_request(request, state).await?).map(Self)
    }
}

/// Reads JSON, with our own words about what is wrong with it.
pub(super) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::BadRequest(format!("the body is not JSON: {error}")))?;
    reading::read(value).map_err(|misfit| ApiError::BadRequest(misfit.to_string()))
}

/// A form that a browser sent.
#[derive(Debug)]
pub(super) struct FormBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for FormBody<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let Form(fields) = Form::from_request(request, state).await?;
        Ok(Self(fields))
    }
}

/// The variable part of a path. One that cannot be read is answered as not found.
#[derive(Debug)]
pub(super) struct PathPart<T>(pub(super) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for PathPart<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        text.and_then(|Path(text)| text.parse().ok())
            .map(Self)
            .ok_or_else(|| Rejection::new(&parts.uri, ApiError::NotFound))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::of_uri(&parts.uri).map_err(|error| Rejection::new(&parts.uri, error))
    }
}

/// The query of a page that shows no filtered list. One that cannot be read counts as empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PageQuery {
    /// A word for what was just done. It is compared with known words, and never shown.
    pub(super) done: String,
    /// The text to look for.
    pub(super) find: String,
    /// Where to go from here.
    pub(super) to: String,
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = Query::try_from_uri(&parts.uri);
        Ok(query.map(|Query(query)| query).unwrap_or_default())
    }
}
