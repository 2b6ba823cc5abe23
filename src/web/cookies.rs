//! The one cookie: it holds a session's token, and no script can read it.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use cookie::{Cookie, SameSite};

use super::origin::Origin;
use crate::accounts::{AccessToken, TokenHash};

/// Its name on plain HTTP, where browsers take no stricter one.
const NAME: &str = "fastpath";
/// Its name under TLS: browsers take it only from this very host, for all its paths (RFC 6265bis
/// §4.1.3.2).
const HOST_NAME: &str = "__Host-fastpath";

fn name(is_encrypted: bool) -> &'static str {
    if is_encrypted { HOST_NAME } else { NAME }
}

/// The session whose cookie a request has.
pub(super) fn shown(headers: &HeaderMap, origin: Origin) -> Option<TokenHash> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name(origin.is_encrypted))
        .map(|cookie| TokenHash::of(cookie.value()))
}

/// Gives a browser its session. It ends with the browser, or when we say so.
fn with(token: &AccessToken, origin: Origin) -> HeaderValue {
    value(token.expose(), origin, None)
}

/// Removes the cookie of the session.
pub(super) fn without(origin: Origin) -> HeaderValue {
    value("", origin, Some(cookie::time::Duration::ZERO))
}

/// Gives a browser its session, and leads it to this path.
pub(super) fn enter(token: &AccessToken, origin: Origin, path: &str) -> Response {
    let cookie = [(header::SET_COOKIE, with(token, origin))];
    (cookie, Redirect::to(path)).into_response()
}

fn value(value: &str, origin: Origin, age: Option<cookie::time::Duration>) -> HeaderValue {
    let mut cookie = Cookie::build((name(origin.is_encrypted), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(origin.is_encrypted)
        .build();
    cookie.set_max_age(age);
    HeaderValue::try_from(cookie.to_string()).expect("name and token are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Origin = Origin::of_this_machine(false);
    const ENCRYPTED: Origin = Origin::of_this_machine(true);

    #[test]
    fn it_is_for_us_alone() {
        let token = AccessToken::random();
        let text = |value: HeaderValue| value.to_str().expect("ASCII").to_owned();
        let shown = token.expose();
        assert_eq!(
            text(with(&token, PLAIN)),
            format!("fastpath={shown}; HttpOnly; SameSite=Strict; Path=/")
        );
        assert_eq!(
            text(with(&token, ENCRYPTED)),
            format!("__Host-fastpath={shown}; HttpOnly; SameSite=Strict; Secure; Path=/")
        );
        assert_eq!(
            text(without(PLAIN)),
            "fastpath=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"
        );
    }

    #[test]
    fn it_is_found_among_others() {
        let token = AccessToken::random();
        let check = |cookies: String, origin, expected: bool| {
            let value = HeaderValue::try_from(&cookies).expect("a header");
            let headers = HeaderMap::from_iter([(header::COOKIE, value)]);
            let found = shown(&headers, origin) == Some(token.hash());
            assert_eq!(found, expected, "{cookies} {origin:?}");
        };
        let shown = token.expose();
        check(format!("fastpath={shown}"), PLAIN, true);
        check(format!("a=b; fastpath={shown}; c=d"), PLAIN, true);
        check(format!("fastpath={shown}"), ENCRYPTED, false);
        check(format!("__Host-fastpath={shown}"), ENCRYPTED, true);
        check(format!("slowpath={shown}"), PLAIN, false);
        check("fastpath=".to_owned(), PLAIN, false);
    }
}
