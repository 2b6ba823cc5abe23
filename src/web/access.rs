//! Who may see what: the API needs its token; the page is open to this machine, and to others with
//! the token as password; metrics are also for trusted networks.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use subtle::ConstantTimeEq;

use super::Context;
use super::connections::ClientAddress;
use super::error::ApiError;
use super::page::PageError;
use crate::accounts::Role;
use crate::administration::Actor;

/// The name that goes with the token where a browser asks for a name.
const USER: &str = "admin";

/// The token of the API, kept as hashes: what is compared takes the same time for every guess.
#[derive(Clone)]
pub struct Token {
    bearer: Fingerprint,
    basic: Fingerprint,
}

type Fingerprint = [u8; 32];

impl Token {
    /// Takes the token's text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let credentials = BASE64_STANDARD.encode(format!("{USER}:{text}"));
        Self {
            bearer: fingerprint(text.as_bytes()),
            basic: fingerprint(credentials.as_bytes()),
        }
    }

    /// `Authorization: Bearer <token>` (RFC 6750 §2.1).
    fn is_bearer(&self, headers: &HeaderMap) -> bool {
        authorization(headers, "Bearer").is_some_and(|text| matches(&self.bearer, text))
    }

    /// `Authorization: Basic <admin:token>` (RFC 7617 §2).
    fn is_basic(&self, headers: &HeaderMap) -> bool {
        authorization(headers, "Basic").is_some_and(|text| matches(&self.basic, text))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(token)")
    }
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest(&SHA256, bytes).as_ref());
    fingerprint
}

fn matches(expected: &Fingerprint, text: &str) -> bool {
    fingerprint(text.as_bytes()).ct_eq(expected).into()
}

/// The credentials of a scheme, whose name is in any case (RFC 9110 §11.1).
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (given, credentials) = text.split_once(' ')?;
    given
        .eq_ignore_ascii_case(scheme)
        .then(|| credentials.trim())
}

/// Who asks. Handlers take it as `Extension<Visitor>`.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// The account's name, or the token's.
    pub(super) name: String,
    /// What they may do.
    pub(super) role: Role,
    /// Where the request comes from.
    pub(super) address: IpAddr,
}

impl Visitor {
    /// For the audit.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            who: self.name.clone(),
            from: Some(self.address),
        }
    }
}

/// What a group of routes asks of its visitors.
pub(super) type Door = (Arc<Context>, Role);

/// The API: always with a token that may do as much.
pub(super) async fn api(
    State((context, role)): State<Door>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(address) = client(&request) else {
        return ApiError::TokenNeeded.into_response();
    };
    if !context.token.is_bearer(request.headers()) {
        return ApiError::TokenNeeded.into_response();
    }
    let visitor = Visitor {
        name: "API token".to_owned(),
        role: Role::Administrator,
        address,
    };
    if visitor.role < role {
        return ApiError::RoleNeeded(role).into_response();
    }
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// The pages: for visitors who may do as much.
pub(super) async fn pages(
    State((context, role)): State<Door>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if let Some(address) = client(&request)
        && (is_this_machine(&request)
            || context.token.is_bearer(headers)
            || context.token.is_basic(headers))
    {
        let visitor = Visitor {
            name: USER.to_owned(),
            role: Role::Administrator,
            address,
        };
        if visitor.role < role {
            return PageError::from(ApiError::RoleNeeded(role)).into_response();
        }
        request.extensions_mut().insert(visitor);
        return next.run(request).await;
    }
    let ask = [(
        header::WWW_AUTHENTICATE,
        "Basic realm=\"Fastpath\", charset=\"UTF-8\"",
    )];
    let words = format!("The user is {USER}, the password is the API token.\n");
    (StatusCode::UNAUTHORIZED, ask, words).into_response()
}

/// The metrics.
pub(super) async fn metrics(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    if context.token.is_bearer(request.headers())
        || is_this_machine(&request)
        || is_trusted(&context, &request)
    {
        return next.run(request).await;
    }
    ApiError::TokenNeeded.into_response()
}

/// The client sits in a trusted network. Loopback is not trusted for its network alone, but only as
/// far as [`is_this_machine`] goes.
fn is_trusted(context: &Context, request: &Request) -> bool {
    let settings = context.administration.settings();
    client(request).is_some_and(|client| !client.is_loopback() && settings.trusts(client))
        && !is_forwarded(request.headers())
}

fn client(request: &Request) -> Option<IpAddr> {
    let ConnectInfo(ClientAddress(address)) = request.extensions().get()?;
    Some(address.ip().to_canonical())
}

/// The client sits at this machine: it connects from loopback, no proxy speaks for somebody else, and
/// it calls us by an address or as localhost. Without the last, any page on the web could have a
/// browser on this machine fetch ours, by a name that it points at 127.0.0.1 (DNS rebinding).
fn is_this_machine(request: &Request) -> bool {
    client(request).is_some_and(|client| client.is_loopback())
        && !is_forwarded(request.headers())
        && request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .is_some_and(is_literal_host)
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
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        let value = authorization.parse().expect("a header");
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    #[test]
    fn tokens() {
        let token = Token::new("open sesame");
        for (text, is_bearer, is_basic) in [
            ("Bearer open sesame", true, false),
            ("bearer open sesame", true, false),
            ("Bearer open sesam", false, false),
            ("Bearer ", false, false),
            ("open sesame", false, false),
            ("Basic YWRtaW46b3BlbiBzZXNhbWU=", false, true),
            ("Basic cm9vdDpvcGVuIHNlc2FtZQ==", false, false),
        ] {
            let headers = headers(text);
            assert_eq!(token.is_bearer(&headers), is_bearer, "{text}");
            assert_eq!(token.is_basic(&headers), is_basic, "{text}");
        }
        assert!(!token.is_bearer(&HeaderMap::new()));
        assert_eq!(format!("{token:?}"), "(token)");
    }

    #[test]
    fn hosts() {
        for (host, expected) in [
            ("127.0.0.1:8025", true),
            ("127.0.0.1", true),
            ("[::1]:8025", true),
            ("localhost:8025", true),
            ("LOCALHOST", true),
            ("rebound.example:8025", false),
            ("localhost.example", false),
            ("", false),
        ] {
            assert_eq!(is_literal_host(host), expected, "{host}");
        }
    }
}
