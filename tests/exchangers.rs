//! Domains without a next hop of their own: their mail exchangers are looked up in a DNS server inside
//! the test, and tried in their order.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_server::Server as DnsServer;
use hickory_server::proto::rr::rdata::{A, MX, SOA};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use serde_json::json;
use tokio::net::{TcpListener, UdpSocket};

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::Reply;
use crate::support::messages;
use crate::support::raw_sink::{RawSink, Script};

/// The port of mail exchangers.
const SMTP_PORT: u16 = 25;

/// Addresses of loopback that no other run of the scenes uses at this time.
fn address(last: u8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (high >> 2), low, (high << 6) | last)
}

/// Where the appliance listens, under whatever name.
const OURS: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(MX::new(preference, name(host)))
}

/// Serves the zone example.com. At `down` nobody listens.
async fn dns(up: Ipv4Addr, down: Ipv4Addr) -> (SocketAddr, DnsServer<Catalog>) {
    let origin = name("example.com.");
    let mut zone: InMemoryZoneHandler =
        InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
    let soa = SOA::new(origin.clone(), origin.clone(), 1, 3_600, 600, 86_400, 60);
    for (owner, data) in [
        ("example.com.", RData::SOA(soa)),
        ("example.com.", mx(20, "up.example.com.")),
        ("example.com.", mx(10, "down.example.com.")),
        ("up.example.com.", RData::A(A(up))),
        ("down.example.com.", RData::A(A(down))),
        ("no-mail.example.com.", mx(0, ".")),
        ("ours.example.com.", mx(10, "relay.example.org.")),
        ("other-name.example.com.", RData::A(A(OURS))),
        ("backed-up.example.com.", mx(10, "third.example.com.")),
        ("backed-up.example.com.", mx(20, "up.example.com.")),
        ("third.example.com.", RData::A(A(address(3)))),
    ] {
        zone.upsert_mut(Record::from_rdata(name(owner), 60, data), 1);
    }
    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(zone)]);
    let mut server = DnsServer::new(catalog);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    server.register_socket(socket);
    (address, server)
}

struct Scene {
    appliance: Appliance,
    _dns: DnsServer<Catalog>,
}

impl Scene {
    async fn begin() -> Scene {
        let (address, dns) = dns(address(1), address(2)).await;
        let appliance = Plan::new().start().await;
        appliance.set(json!({ "dns_servers": [address] })).await;
        Scene {
            appliance,
            _dns: dns,
        }
    }

    async fn send(&self, recipients: &[&str]) -> Reply {
        let content = messages::small("one");
        let mut client = self.appliance.client().await;
        client
            .message("<a@example.org>", recipients, &content)
            .await
    }
}

/// A sink where exchangers listen, or none where this account may not: port 25 needs root. In
/// continuous integration it must be possible.
async fn exchanger() -> Option<RawSink> {
    let address = SocketAddr::from((address(1), SMTP_PORT));
    if let Err(error) = TcpListener::bind(address).await {
        assert!(
            std::env::var_os("CI").is_none(),
            "nobody can listen at {address}: {error}"
        );
        eprintln!("THIS SCENE WAS LEFT OUT: listening at {address} needs root: {error}");
        return None;
    }
    Some(RawSink::start_at(address, Script::accepting()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_exchanger_is_tried_when_the_first_is_down() {
    let Some(sink) = exchanger().await else {
        return;
    };
    let scene = Scene::begin().await;
    // The address itself is the exchanger where a domain has none.
    let recipients = ["<b@example.com>", "<b@EXAMPLE.com>", "<c@up.example.com>"];
    let reply = scene.send(&recipients).await;
    assert!(
        reply.code == 250 && reply.text().contains("Delivered"),
        "{reply}"
    );
    let mut arrived: Vec<String> = sink
        .accepted()
        .iter()
        .flat_map(|arrival| arrival.recipient_addresses())
        .collect();
    arrived.sort_unstable();
    assert_eq!(
        arrived,
        ["b@EXAMPLE.com", "b@example.com", "c@up.example.com"]
    );
    assert_eq!(sink.accepted().len(), 2, "one domain is one next hop");
    assert_eq!(scene.appliance.queue_total().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dns_rules_out_is_refused_in_the_session() {
    let scene = Scene::begin().await;
    for (recipient, code, enhanced) in [
        // RFC 7505: a null MX.
        ("<b@no-mail.example.com>", 556, "5.1.10 "),
        ("<b@absent.example.com>", 550, "5.1.2 "),
        // RFC 5321 §5.1: we are its best exchanger, and know of no other.
        ("<b@ours.example.com>", 554, "5.4.6 "),
    ] {
        let reply = scene.send(&[recipient]).await;
        assert!(
            reply.code == code && reply.text().starts_with(enhanced),
            "{recipient}: {reply}"
        );
    }
    assert_eq!(scene.appliance.queue_total().await, 0);
}

/// RFC 5321 §5.1: whatever leads back to us gives us nobody to hand the message to. Names and ports say
/// nothing of that: it shows when we are greeted.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_not_handed_to_ourselves() {
    let at_port_25 = SocketAddr::from((address(3), SMTP_PORT));
    if TcpListener::bind(at_port_25).await.is_err() {
        assert!(std::env::var_os("CI").is_none(), "port 25 needs root");
        eprintln!("THIS SCENE WAS LEFT OUT: listening at {at_port_25} needs root");
        return;
    }
    let backup = SocketAddr::from((address(4), SMTP_PORT));
    let backup = RawSink::start_at(backup, Script::accepting()).await;
    let (dns_address, _dns) = dns(address(4), address(2)).await;
    let appliance = Plan::new()
        .environment("FASTPATH_SMTP_LISTEN", &format!("127.0.0.1:0,{at_port_25}"))
        .start()
        .await;
    let ours = appliance.smtp();
    appliance
        .set(json!({
            "dns_servers": [dns_address],
            "next_hops": [
                { "domain": "fixed.example.net", "address": format!("smtp://other-name.example.com:{}", ours.port()) },
            ],
        }))
        .await;
    let content = messages::small("one");
    let mut client = appliance.client().await;
    let literal = format!("<b@[{}]>", at_port_25.ip());
    let refused = client
        .message("<a@example.org>", &[&literal], &content)
        .await;
    assert_eq!(refused.code, 554, "{refused}");
    assert!(refused.text().starts_with("5.4.6 "), "{refused}");
    // A worse exchanger would give it back to us: neither now, nor when we are known.
    for _ in 0..2 {
        let refused = client
            .message("<a@example.org>", &["<b@backed-up.example.com>"], &content)
            .await;
        assert_eq!(refused.code, 554, "{refused}");
    }
    assert!(backup.accepted().is_empty());
    // A next hop that the administrator named can be repaired.
    let queued = client
        .message("<a@example.org>", &["<b@fixed.example.net>"], &content)
        .await;
    assert!(queued.text().contains("Queued"), "{queued}");
    let rows = appliance.queue("").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let words = rows[0]["last_reply"].as_str().unwrap();
    assert!(words.contains("4.4.6"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dns_that_refuses_to_say_defers() {
    let scene = Scene::begin().await;
    let reply = scene.send(&["<b@example.info>"]).await;
    assert!(
        reply.code == 250 && reply.text().contains("Queued"),
        "{reply}"
    );
    let rows = scene.appliance.queue("").await;
    assert_eq!(
        (rows.len(), rows[0]["reason"].as_str()),
        (1, Some("deferred")),
        "{rows:?}"
    );
}
