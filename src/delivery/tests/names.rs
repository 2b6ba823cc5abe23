//! Names that are looked up in a DNS server of our own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server as DnsServer;
use hickory_server::proto::rr::rdata::{A, AAAA, MX, SOA};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

use super::scene::{Gate, assert_all, delivery_with_dns, message, next_hop, request, script};
use super::scripted_server::{PIPELINING, ScriptedServer};
use crate::delivery::resolve::Resolver;
use crate::limits;
use crate::message::Outcome;
use crate::message::words::OutcomeKind;
use crate::settings::NextHopTarget;
use crate::settings::next_hop::NextHopPolicy;

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn v4(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(127, 0, 0, last)))
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(MX::new(preference, name(host)))
}

/// Serves the zone example.net; of every other name it refuses to speak.
async fn dns() -> (SocketAddr, DnsServer<Catalog>) {
    let origin = name("example.net.");
    let mut zone: InMemoryZoneHandler =
        InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
    let soa = SOA::new(origin.clone(), origin.clone(), 1, 3_600, 600, 86_400, 60);
    let ipv6 = RData::AAAA(AAAA("2001:db8::1".parse().expect("an address")));
    for (owner, data) in [
        ("example.net.", RData::SOA(soa)),
        ("example.net.", mx(20, "second.example.net.")),
        ("example.net.", mx(10, "first.example.net.")),
        ("example.net.", mx(30, "missing.example.net.")),
        ("first.example.net.", v4(1)),
        ("first.example.net.", ipv6),
        ("second.example.net.", v4(2)),
        ("no-mx.example.net.", v4(3)),
        ("no-mail.example.net.", mx(0, ".")),
        ("ours.example.net.", mx(10, "relay.example.net.")),
        ("ours.example.net.", mx(20, "first.example.net.")),
        ("backed-up.example.net.", mx(10, "first.example.net.")),
        ("backed-up.example.net.", mx(20, "relay.example.net.")),
        ("backed-up.example.net.", mx(30, "second.example.net.")),
        ("empty.example.net.", mx(10, "missing.example.net.")),
        (
            "xn--bcher-kva.example.net.",
            mx(10, "xn--bcher-kva.example.net."),
        ),
        ("xn--bcher-kva.example.net.", v4(4)),
        // Only the last of many exchangers has an address.
        ("many.example.net.", mx(99, "first.example.net.")),
        ("two.example.net.", v4(1)),
        ("two.example.net.", v4(2)),
    ] {
        zone.upsert_mut(Record::from_rdata(name(owner), 60, data), 1);
    }
    for (owner, exchangers) in [("many.example.net.", 50), ("too-many.example.net.", 120)] {
        for number in 0..exchangers {
            let exchanger = mx(number, &format!("absent{number}.example.net."));
            zone.upsert_mut(Record::from_rdata(name(owner), 60, exchanger), 1);
        }
    }
    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(zone)]);
    let mut server = DnsServer::new(catalog);
    let (listener, socket) = same_port().await;
    let address = socket.local_addr().expect("it is bound");
    server.register_socket(socket);
    // Long answers come over TCP.
    server.register_listener(listener, Duration::from_secs(5), 1_024);
    (address, server)
}

/// For TCP and for UDP: either may be in use for the other's free ones.
async fn same_port() -> (TcpListener, UdpSocket) {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        if let Ok(socket) = UdpSocket::bind(address).await {
            return (listener, socket);
        }
    }
}

fn by_mx(domain: &str) -> NextHopTarget {
    NextHopPolicy::default().by_mx(domain).target
}

async fn look_up(target: NextHopTarget) -> Result<Vec<String>, Outcome> {
    let (address, _server) = dns().await;
    let resolver = Resolver::new("relay.example.net".into());
    let servers = resolver.servers(&target, &[address]).await?;
    let in_words = servers.iter().map(|server| server.address.to_string());
    Ok(in_words.collect())
}

async fn check(domain: &str, expected: &[&str]) {
    let servers = look_up(by_mx(domain)).await.expect(domain);
    assert_eq!(servers, expected, "{domain}");
}

#[tokio::test]
async fn exchangers_are_ordered_and_have_all_their_addresses() {
    let all = ["127.0.0.1:25", "[2001:db8::1]:25", "127.0.0.2:25"];
    check("example.net", &all).await;
    check("Example.NET", &all).await;
    check("no-mx.example.net", &["127.0.0.3:25"]).await;
    check(
        "backed-up.example.net",
        &["127.0.0.1:25", "[2001:db8::1]:25"],
    )
    .await;
    check("bücher.example.net", &["127.0.0.4:25"]).await;
    check("[127.0.0.9]", &["127.0.0.9:25"]).await;
    check("[IPv6:2001:db8::9]", &["[2001:db8::9]:25"]).await;
}

async fn check_refused(domain: &str, code: u16, enhanced: &str) {
    match look_up(by_mx(domain)).await {
        Err(Outcome::Refused(reply)) => {
            assert_eq!(reply.code, code, "{domain}");
            let found = reply.enhanced.map(|enhanced| enhanced.to_string());
            assert_eq!(found.as_deref(), Some(enhanced), "{domain}");
        }
        other => panic!("{domain}: {other:?}"),
    }
}

#[tokio::test]
async fn what_the_dns_rules_out_is_refused() {
    check_refused("no-mail.example.net", 556, "5.1.10").await;
    check_refused("absent.example.net", 550, "5.1.2").await;
    let long = format!("{}.example.net", "long".repeat(16));
    check_refused(&long, 550, "5.1.2").await;
    check_refused("ours.example.net", 554, "5.4.6").await;
    check_refused("empty.example.net", 550, "5.4.4").await;
}

#[tokio::test]
async fn no_exchanger_is_left_out_before_it_was_looked_at() {
    check("many.example.net", &["127.0.0.1:25", "[2001:db8::1]:25"]).await;
    // Nobody knows what those beyond the bound have.
    let too_many = look_up(by_mx("too-many.example.net")).await;
    assert!(
        matches!(too_many, Err(Outcome::Deferred(..))),
        "{too_many:?}"
    );
}

#[tokio::test]
async fn a_dns_that_does_not_say_defers() {
    let other_zone = look_up(by_mx("example.org")).await;
    assert!(
        matches!(other_zone, Err(Outcome::Deferred(..))),
        "{other_zone:?}"
    );
    // A server that the administrator named is never refused: it can be repaired.
    let address = "smtp://absent.example.net:26".parse().expect("an address");
    let named = look_up(NextHopTarget::Fixed(address)).await;
    assert!(matches!(named, Err(Outcome::Deferred(..))), "{named:?}");
}

#[tokio::test]
async fn a_silent_dns_defers_in_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("it is bound");
    let resolver = Resolver::new("relay.example.net".into());
    tokio::time::pause();
    let began = Instant::now();
    let answer = resolver.servers(&by_mx("example.net"), &[address]).await;
    assert!(matches!(answer, Err(Outcome::Deferred(..))), "{answer:?}");
    let longest = limits::DNS_WAIT + Duration::from_secs(1);
    assert!(began.elapsed() <= longest, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_address_that_turns_us_away_is_followed_by_the_next() {
    let (dns_address, _dns) = dns().await;
    let closing = script(&["S: 421 4.3.2 too many connections"]);
    let first = ScriptedServer::start([closing]).await;
    let taken = "
        C: MAIL FROM
        C: RCPT TO
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go on
        content
        S: 250 taken
        C: QUIT
    ";
    let second_address = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), first.address.port());
    let second = ScriptedServer::start_at(second_address, [script(&[PIPELINING, taken])]).await;

    let delivery = delivery_with_dns(vec![dns_address]);
    let mut both = next_hop(first.address);
    let written = format!("smtp://two.example.net:{}", first.address.port());
    both.target = NextHopTarget::Fixed(written.parse().expect("an address"));
    // The order of equals is the DNS server's own.
    delivery
        .penalties
        .lock()
        .punish(second_address, Instant::now());
    let request = request(message(1, "text\r\n"), both);
    let report = delivery.attempt(request, &Gate::default()).await;
    assert_all(&report, OutcomeKind::Delivered);
    assert_eq!(report.peer, Some(second_address));
    delivery.close().await;
    first.finish().await;
    second.finish().await;
}
