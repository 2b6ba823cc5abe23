//! Who may see what: pages are for browsers that are logged in, the API for programs with a token,
//! metrics also for this machine and for trusted networks.
//!
//! A cookie opens no part of the API and a token no page, so that no other site's page can make a
//! browser call the API.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{FromRequest as _, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::error::{ApiError, PageError};
use super::extract::Ctx;
use super::local_path::LocalPath;
use super::origin::Origin;
use super::{Context, cookies};
use crate::accounts::{AccountId, Role, StoredApiToken, TokenHash};
use crate::administration::{Actor, Login};
use crate::limits;
use crate::store::{ReadError, StoredSession};

/// The person or program that sent the request. Handlers take it as an argument; those of pages also [`Login`].
#[derive(Clone, Debug, FromRequestParts)]
#[from_request(via(Extension))]
pub(super) struct Visitor {
    /// The account's name, or `token` and the name of the token.
    pub(super) name: String,
    /// What they may do.
    pub(super) role: Role,
    /// Where the request comes from.
    pub(super) origin: Origin,
    /// A change that the request asks for may begin until then.
    pub(super) until: Instant,
}

impl Visitor {
    /// For the audit.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            who: self.name.clone(),
            from: Some(self.origin.address),
            until: Some(self.until),
        }
    }
}

/// Handlers that need no more of their visitor take this.
impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        Ok(visitor.actor())
    }
}

/// The account that owns the token of the request, and what is made with it. Handlers of the API take it
/// as an argument.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(Extension))]
pub(super) struct TokenOwner(pub(super) Option<AccountId>);

impl<S: Send + Sync> FromRequestParts<S> for Login {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Extension(login) = Extension::from_request_parts(parts, state).await?;
        Ok(login)
    }
}

/// What the guard of a route needs: the appliance, and the least role that may pass.
pub(super) type Guard = (Arc<Context>, Role);

/// The request with its whole body. A slow client may lose its rights while it sends: they are checked before
/// the first byte is read, and once more behind the last.
async fn whole(request: Request) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    // How large it may be stands among the extensions.
    let mut bare = Request::new(body);
    *bare.extensions_mut() = parts.extensions.clone();
    let whole = timeout(limits::REQUEST_WAIT, Bytes::from_request(bare, &())).await;
    let whole = whole.map_err(|_| ApiError::TooSlow)??;
    Ok(Request::from_parts(parts, Body::from(whole)))
}

/// The request only reads.
pub(super) fn only_asks(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// The guard of the API: a token with the rights that the route needs, never a cookie.
pub(super) async fn api(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let mut token = may_call(&guard, bearer(&request)).await?;
    if !only_asks(&request) {
        request = whole(request).await?;
        token = may_call(&guard, bearer(&request)).await?;
    }
    let visitor = Visitor {
        name: format!("token {}", token.name),
        role: token.scope.role(),
        origin: origin(&request),
        until: Instant::now() + limits::CHANGE_BEGIN_WAIT,
    };
    let extensions = request.extensions_mut();
    extensions.insert(TokenOwner(token.account));
    extensions.insert(visitor);
    Ok(next.run(request).await)
}

/// The token of a program, if it has the rights that the guard asks for.
async fn may_call(
    (context, role): &Guard,
    shown: Option<String>,
) -> Result<StoredApiToken, ApiError> {
    let token = with_token(context, shown).await?;
    match token.scope.role() < *role {
        true => Err(ApiError::RoleNeeded(*role)),
        false => Ok(token),
    }
}

/// The token of a program.
async fn with_token(context: &Context, shown: Option<String>) -> Result<StoredApiToken, ApiError> {
    let shown = shown.ok_or(ApiError::TokenNeeded)?;
    let found = context.accounts.api_token(&shown, Timestamp::now()).await?;
    found.ok_or(ApiError::TokenNeeded)
}

/// Whether a request shows that a person is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// A person opened a page or sent a form.
    Person,
    /// The browser asked by itself, perhaps unattended.
    Unknown,
}

/// The guard of the pages: for visitors who are logged in with the rights that the route needs; the others are
/// led to the login.
pub(super) async fn pages(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Result<Response, PageError> {
    with_session(guard, Presence::Person, request, next).await
}

/// The same for what browsers ask for by themselves, which does not keep a session alive.
pub(super) async fn watched(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Result<Response, PageError> {
    with_session(guard, Presence::Unknown, request, next).await
}

async fn with_session(
    guard: Guard,
    presence: Presence,
    mut request: Request,
    next: Next,
) -> Result<Response, PageError> {
    let context = &guard.0;
    let origin = origin(&request);
    let shown = cookies::shown(request.headers(), origin);
    let mut session = may_enter(&guard, shown).await?;
    if session.is_some() && !only_asks(&request) {
        request = whole(request).await?;
        session = may_enter(&guard, shown).await?;
    }
    let Some(session) = session else {
        let wanted = wanted(&request).filter(|_| presence == Presence::Person);
        return Ok(way_in(context, wanted).await?.into_response());
    };
    if presence == Presence::Person {
        context.accounts.saw(&session, Timestamp::now());
    }
    let extensions = request.extensions_mut();
    extensions.insert(Login {
        account: session.account,
        session: session.token,
    });
    extensions.insert(Visitor {
        name: session.name,
        role: session.role,
        origin,
        until: Instant::now() + limits::CHANGE_BEGIN_WAIT,
    });
    Ok(next.run(request).await)
}

/// The session of a browser, while it lasts and has the rights that the guard asks for.
async fn may_enter(
    (context, role): &Guard,
    shown: Option<TokenHash>,
) -> Result<Option<StoredSession>, ApiError> {
    match session(context, shown).await? {
        Some(session) if session.role < *role => Err(ApiError::RoleNeeded(*role)),
        found => Ok(found),
    }
}

/// The session of a browser, while it lasts.
pub(super) async fn session(
    context: &Context,
    shown: Option<TokenHash>,
) -> Result<Option<StoredSession>, ReadError> {
    match shown {
        Some(token) => context.accounts.session(&token, Timestamp::now()).await,
        None => Ok(None),
    }
}

/// The page to show after the login: none for a form, which is lost.
fn wanted(request: &Request) -> Option<LocalPath> {
    let path = request.uri().path_and_query()?.as_str();
    only_asks(request).then(|| LocalPath::parse(path)).flatten()
}

async fn way_in(context: &Context, wanted: Option<LocalPath>) -> Result<Redirect, ReadError> {
    if context.accounts.setup_is_open().await? {
        return Ok(Redirect::to("/setup"));
    }
    Ok(match wanted {
        Some(path) if path.as_str() != "/" => Redirect::to(&path.behind_login()),
        _ => Redirect::to("/login"),
    })
}

/// The guard of the metrics.
pub(super) async fn metrics(
    context: Ctx,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if !is_this_machine(&request) && !is_trusted(&context, &request) {
        with_token(&context, bearer(&request)).await?;
    }
    Ok(next.run(request).await)
}

/// `Authorization: Bearer <token>` (RFC 6750 §2.1); the scheme's name is in any case (RFC 9110 §11.1).
fn bearer(request: &Request) -> Option<String> {
    let text = request.headers().get(header::AUTHORIZATION)?.to_str();
    let (scheme, token) = text.ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// The client sits in a trusted network. Loopback is not trusted for its network alone, but only as
/// far as [`is_this_machine`] goes.
fn is_trusted(context: &Context, request: &Request) -> bool {
    let settings = context.administration.settings();
    let client = origin(request).address;
    !client.is_loopback() && settings.trusts(client) && !is_forwarded(request.headers())
}

fn origin(request: &Request) -> Origin {
    let origin = request.extensions().get().copied();
    origin.expect("the layer around all routes has noted it")
}

/// The client sits at this machine: it connects from loopback, no proxy speaks for another client, and
/// it calls us by an address or as localhost. Without the last, any page on the web could have a
/// browser on this machine fetch ours, by a name that it points at 127.0.0.1 (DNS rebinding).
fn is_this_machine(request: &Request) -> bool {
    let (origin, headers) = (origin(request), request.headers());
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    origin.address.is_loopback()
        && !origin.is_proxied
        && !is_forwarded(headers)
        && host.is_some_and(is_literal_host)
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

fn is_literal_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
