//! The one cookie: it holds a session's token, and no script can read it.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

use super::access::ByTls;
use crate::accounts::{Token, TokenHash};

/// Its name on plain HTTP, where no stricter one is allowed.
const NAME: &str = "fastpath";
/// Its name under TLS: browsers take it only from this very host, for all its paths (RFC 6265bis
/// §4.1.3.2).
const HOST_NAME: &str = "__Host-fastpath";

fn name(by_tls: Option<ByTls>) -> &'static str {
    match by_tls {
        Some(ByTls) => HOST_NAME,
        None => NAME,
    }
}

/// The session that a request shows.
pub(super) fn shown(headers: &HeaderMap, by_tls: Option<ByTls>) -> Option<TokenHash> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name(by_tls))
        .map(|cookie| TokenHash::of(cookie.value()))
}

/// Gives a browser its session. It ends with the browser, or when we say so.
pub(super) fn with(token: &Token, by_tls: Option<ByTls>) -> HeaderValue {
    value(Cookie::build((name(by_tls), token.expose())), by_tls)
}

/// Takes it back.
pub(super) fn without(by_tls: Option<ByTls>) -> HeaderValue {
    let past = cookie::time::Duration::ZERO;
    value(Cookie::build((name(by_tls), "")).max_age(past), by_tls)
}

fn value(cookie: cookie::CookieBuilder<'_>, by_tls: Option<ByTls>) -> HeaderValue {
    let cookie = cookie
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(by_tls.is_some());
    HeaderValue::try_from(cookie.build().to_string()).expect("name and token are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_for_us_alone() {
        let token = Token::random();
        let text = |value: HeaderValue| value.to_str().expect("ASCII").to_owned();
        let shown = token.expose();
        assert_eq!(
            text(with(&token, None)),
            format!("fastpath={shown}; HttpOnly; SameSite=Strict; Path=/")
        );
        assert_eq!(
            text(with(&token, Some(ByTls))),
            format!("__Host-fastpath={shown}; HttpOnly; SameSite=Strict; Secure; Path=/")
        );
        assert_eq!(
            text(without(None)),
            "fastpath=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"
        );
    }

    #[test]
    fn it_is_found_among_others() {
        let token = Token::random();
        let check = |cookies: String, by_tls, expected: bool| {
            let value = HeaderValue::try_from(&cookies).expect("a header");
            let headers = HeaderMap::from_iter([(header::COOKIE, value)]);
            let found = shown(&headers, by_tls) == Some(token.hash());
            assert_eq!(found, expected, "{cookies} {by_tls:?}");
        };
        let shown = token.expose();
        check(format!("fastpath={shown}"), None, true);
        check(format!("a=b; fastpath={shown}; c=d"), None, true);
        check(format!("fastpath={shown}"), Some(ByTls), false);
        check(format!("__Host-fastpath={shown}"), Some(ByTls), true);
        check(format!("slowpath={shown}"), None, false);
        check("fastpath=".to_owned(), None, false);
    }
}
