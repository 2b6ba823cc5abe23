//! Where a request comes from: the client behind a listed proxy, and whether it speaks HTTPS, which
//! the settings may ask for.

use std::net::{IpAddr, SocketAddr};

use axum::Extension;
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::error::{ApiError, refusal};
use super::extract::Ctx;
use super::listener::WebPeer;
use crate::settings::Settings;

/// Every request has one, and handlers take it as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRequestParts)]
#[from_request(via(Extension))]
pub(super) struct Origin {
    /// The client's address; an IPv4-mapped IPv6 address is shown as IPv4.
    pub(super) address: IpAddr,
    /// It came by TLS to us, or to a listed proxy, so that it cannot be read on the way.
    pub(super) is_encrypted: bool,
    /// The connection is that of a listed proxy, which decides itself whether its clients use HTTPS.
    pub(super) is_proxied: bool,
}

impl Origin {
    #[cfg(test)]
    pub(super) const fn of_this_machine(is_encrypted: bool) -> Self {
        Self {
            address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            is_encrypted,
            is_proxied: false,
        }
    }

    /// Believes what a proxy says of its clients only when it is a listed one.
    fn of(arrival: WebPeer, headers: &HeaderMap, settings: &Settings) -> Self {
        let peer = arrival.address.ip().to_canonical();
        if !settings.is_web_proxy(peer) {
            return Self {
                address: peer,
                is_encrypted: arrival.by_tls,
                is_proxied: false,
            };
        }
        // Each proxy adds whom it heard it from at the end: the last who is no proxy of ours is the
        // client, and all before may be invented. What cannot be read ends the search.
        let client = words(headers, "x-forwarded-for")
            .rev()
            .map_while(forwarded_address)
            .find(|address| !settings.is_web_proxy(*address));
        let proto = words(headers, "x-forwarded-proto").next_back();
        Self {
            address: client.unwrap_or(peer),
            is_encrypted: proto.is_some_and(|word| word.eq_ignore_ascii_case("https")),
            is_proxied: true,
        }
    }
}

/// An address as proxies write it: some put the port behind it, and brackets around an IPv6 address.
fn forwarded_address(word: &str) -> Option<IpAddr> {
    let in_brackets = || word.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(word.parse::<SocketAddr>().ok()?.ip());
    let address = word.parse().ok().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

/// The comma-separated words of all fields of this name, in their order.
fn words<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> impl DoubleEndedIterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|word| word.trim().trim_matches('"'))
        .filter(|word| !word.is_empty())
}

/// Notes the origin of a request; one that comes by plain HTTP where HTTPS is asked for is led there.
pub(super) async fn note(
    context: Ctx,
    ConnectInfo(arrival): ConnectInfo<WebPeer>,
    mut request: Request,
    next: Next,
) -> Response {
    let settings = context.administration.settings();
    let origin = Origin::of(arrival, request.headers(), &settings);
    let is_plain = !origin.is_encrypted && !origin.is_proxied;
    if is_plain && settings.requires_https() && !is_probe(request.uri()) {
        return lead_to_https(&request);
    }
    request.extensions_mut().insert(origin);
    next.run(request).await
}

/// Probes show nothing that is worth hiding, and their clients seldom check certificates.
fn is_probe(uri: &Uri) -> bool {
    matches!(uri.path(), "/healthz" | "/readyz")
}

/// Pages are led to the same address by HTTPS. A request that sends something, or shows a
/// token, is refused instead: it has travelled unencrypted already, and a silent redirect would let that go on.
fn lead_to_https(request: &Request) -> Response {
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.headers().contains_key(header::AUTHORIZATION);
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    match (host, request.uri().path_and_query()) {
        (Some(host), Some(path)) if is_page => {
            Redirect::temporary(&format!("https://{host}{path}")).into_response()
        }
        _ => refusal(request, ApiError::HttpsNeeded),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use axum::http::StatusCode;

    use super::*;
    use crate::settings::SettingsDocument;

    #[test]
    fn only_listed_proxies_are_believed() {
        let settings = Settings::new(SettingsDocument {
            web_proxies: vec!["10.0.0.0/24".parse().expect("a network")],
            ..SettingsDocument::default()
        });
        let settings = settings.expect("they hold");
        let check = |peer: &str, by_tls, fields: &[(&'static str, &'static str)], expected| {
            let arrival = WebPeer {
                address: peer.parse().expect("an address"),
                by_tls,
            };
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().expect("a value"));
            }
            let origin = Origin::of(arrival, &headers, &settings);
            let (address, is_encrypted): (&str, bool) = expected;
            assert_eq!(origin.address.to_string(), address, "{peer} {fields:?}");
            assert_eq!(origin.is_encrypted, is_encrypted, "{peer} {fields:?}");
        };
        let (xff, proto) = ("x-forwarded-for", "x-forwarded-proto");
        check("192.0.2.1:9", false, &[], ("192.0.2.1", false));
        check("192.0.2.1:9", true, &[], ("192.0.2.1", true));
        check("[::ffff:192.0.2.1]:9", true, &[], ("192.0.2.1", true));
        // Not listed: what it says does not count.
        let says = [(xff, "127.0.0.1"), (proto, "https")];
        check("192.0.2.1:9", false, &says, ("192.0.2.1", false));
        // Listed, with what it says, and with what its client has invented before it.
        let says = [(xff, "198.51.100.7"), (proto, "https")];
        check("10.0.0.1:9", false, &says, ("198.51.100.7", true));
        let says = [(xff, "127.0.0.1, 198.51.100.7"), (proto, "HTTPS")];
        check("10.0.0.1:9", false, &says, ("198.51.100.7", true));
        let says = [(xff, "127.0.0.1"), (xff, "198.51.100.7, 10.0.0.2")];
        check("10.0.0.1:9", false, &says, ("198.51.100.7", false));
        // By TLS to the proxy's own connection, but by plain HTTP to the proxy.
        check("10.0.0.1:9", true, &[(proto, "http")], ("10.0.0.1", false));
        // With a port behind it.
        for (written, address) in [
            ("198.51.100.7:51234", "198.51.100.7"),
            ("[2001:db8::9]:443", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[::ffff:198.51.100.7]:1", "198.51.100.7"),
            ("2001:db8::a", "2001:db8::a"),
            ("\"[2001:db8::9]:443\"", "2001:db8::9"),
            ("198.51.100.7, ", "198.51.100.7"),
            ("198.51.100.7:", "10.0.0.1"),
            ("198.51.100.7:70000", "10.0.0.1"),
        ] {
            check("10.0.0.1:9", false, &[(xff, written)], (address, false));
        }
        check("10.0.0.1:9", true, &[(xff, "unknown")], ("10.0.0.1", false));
        let says = [(xff, "127.0.0.1, rubbish, 10.0.0.3")];
        check("10.0.0.1:9", false, &says, ("10.0.0.1", false));
    }

    #[tokio::test]
    async fn where_https_is_asked_for_plain_pages_are_led_to_it() {
        use crate::web::testing::{ELSEWHERE, Site, TOKEN};

        let site = Site::open().await;
        let change = json!({"web_https": "always"});
        let change = change.as_object().expect("an object").clone();
        let actor = crate::administration::Actor::command("tests");
        let changed = site.context.administration.change(change, actor);
        changed.await.expect("it holds");

        let host = ["Host: relay.example.net:8025"];
        let answer = site.ask(ELSEWHERE, "GET /queue?page=2", &host, "").await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
        let expected = "https://relay.example.net:8025/queue?page=2";
        assert_eq!(answer.location(), expected);
        // No invented host gets into the header.
        let answer = site.ask(ELSEWHERE, "GET /queue", &["Host: a b"], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);

        let token = format!("Authorization: Bearer {TOKEN}");
        for (request, fields) in [
            ("POST /login", vec![]),
            ("GET /api/v1/settings", vec![token.as_str()]),
            ("GET /metrics", vec![token.as_str()]),
        ] {
            let answer = site.ask(ELSEWHERE, request, &fields, "").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{request}");
            assert!(answer.text.contains("HTTPS"), "{}", answer.text);
        }
        for probe in ["GET /healthz", "GET /readyz"] {
            let answer = site.ask(ELSEWHERE, probe, &[], "").await;
            assert_eq!(answer.status, StatusCode::OK, "{probe}");
        }
        site.close().await;
    }
}
