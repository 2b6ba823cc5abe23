//! Who sends: the sender's domain, and the client's address, looked up in a DNS server inside the test.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_server::Server as DnsServer;
use hickory_server::proto::rr::rdata::{A, MX, SOA, TXT};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::stage::Stage;
use crate::support::messages;

/// The scenes' clients, as a list knows them.
const LISTED: &str = "1.0.0.127.zen.example.";

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn address(octets: [u8; 4]) -> RData {
    RData::A(A(Ipv4Addr::from(octets)))
}

/// Serves everything below `example`.
async fn dns() -> (SocketAddr, DnsServer<Catalog>) {
    let origin = name("example.");
    let mut zone: InMemoryZoneHandler =
        InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
    let soa = SOA::new(origin.clone(), origin.clone(), 1, 3_600, 600, 86_400, 60);
    let text = TXT::new(vec!["Listed, see http://zen.example/".to_owned()]);
    for (owner, data) in [
        ("example.", RData::SOA(soa)),
        (
            "good.example.",
            RData::MX(MX::new(10, name("good.example."))),
        ),
        ("plain.example.", address([192, 0, 2, 1])),
        ("null.example.", RData::MX(MX::new(0, Name::root()))),
        ("text.nothing.example.", address([192, 0, 2, 1])),
        (LISTED, address([127, 0, 0, 2])),
        (LISTED, RData::TXT(text)),
        ("1.0.0.127.other.example.", address([127, 0, 0, 4])),
        ("*.parked.example.", address([203, 0, 113, 5])),
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

/// An appliance that knows nobody, with a DNS server and these conditions.
async fn stage(dns: SocketAddr, conditions: Value) -> Stage {
    let mut settings = json!({
        "dns_servers": [dns],
        "trusted_networks": ["192.0.2.0/24"],
        "relay_domains": ["example.net"],
    });
    for (name, condition) in conditions.as_object().unwrap() {
        settings[name] = condition.clone();
    }
    Stage::with(settings).await
}

fn lists(zones: &[&str], more: Value) -> Value {
    let zones: Vec<Value> = zones.iter().map(|zone| json!({ "zone": zone })).collect();
    let mut lists = json!({ "enabled": true, "zones": zones });
    for (name, value) in more.as_object().unwrap() {
        lists[name] = value.clone();
    }
    json!({ "blackhole_lists": lists })
}

fn sender_check(more: Value) -> Value {
    let mut check = json!({ "enabled": true });
    for (name, value) in more.as_object().unwrap() {
        check[name] = value.clone();
    }
    json!({ "sender_check": check })
}

/// A message from `sender` is not taken: the reply, which the trail has too.
async fn turned_away(stage: &Stage, sender: &str) -> (String, String) {
    let content = messages::small(sender);
    let reply = stage.send(sender, &["b@example.net"], &content).await;
    let trail = stage.trail(sender).await;
    assert_eq!(trail["code"], reply.code, "{trail}");
    assert!(stage.sink.accepted().is_empty());
    assert_eq!(stage.appliance.queue_total().await, 0);
    let examined = trail["examined"].as_str().unwrap();
    (reply.to_string(), examined.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_client_is_refused_in_the_session() {
    let (dns, _server) = dns().await;
    let stage = stage(dns, lists(&["zen.example"], json!({}))).await;
    let (reply, examined) = turned_away(&stage, "bad@good.example").await;
    assert_eq!(
        reply,
        "554 5.7.1 Refused: 127.0.0.1 is listed by zen.example (Listed, see http://zen.example/)"
    );
    let said = "blackhole_lists: refused, 127.0.0.1 is listed by zen.example, weight 1";
    assert_eq!(examined, said);

    // Allowed, it is not looked up any more.
    let allowed = json!({"blackhole_lists": {"allowed_networks": ["127.0.0.0/8"]}});
    stage.appliance.set(allowed).await;
    stage.taken("allowed@good.example").await;
    stage.assert_fast("allowed@good.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_no_list_has_takes_the_path_that_is_set() {
    let (dns, _server) = dns().await;
    let stage = stage(dns, lists(&["none.example", "parked.example"], json!({}))).await;
    let trail = stage.taken("first@good.example").await;
    stage
        .assert_diverted("first@good.example", "blackhole_lists")
        .await;
    let said = "blackhole_lists: passed, parked.example answers 203.0.113.5, outside 127.0.0.0/8: not counted";
    assert_eq!(trail["examined"], said);

    let fast = json!({"blackhole_lists": {"disables_fast_path": false}});
    stage.appliance.set(fast).await;
    stage.taken("second@good.example").await;
    stage.assert_fast("second@good.example").await;
    assert_eq!(stage.diverted("blackhole_lists").await, 1);

    // Nobody looks up clients that are trusted.
    let trusting = json!({"trusted_networks": ["127.0.0.0/8"], "blackhole_lists": {"disables_fast_path": true}});
    stage.appliance.set(trusting).await;
    let trail = stage.taken("third@good.example").await;
    assert_eq!(trail["examined"], "");
    stage.assert_fast("third@good.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_tag_before_they_refuse() {
    let (dns, _server) = dns().await;
    let weights = json!({"refuse_weight": 3, "tag_weight": 2});
    let stage = stage(dns, lists(&["zen.example", "other.example"], weights)).await;
    let mut content = b"X-Blackhole-Lists: pretended\r\nSubject: tagged\r\n".to_vec();
    content.extend_from_slice(b"x-blackhole-lists: likewise\r\n\r\nbody\r\n");
    let reply = stage
        .send("tagged@good.example", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrived = String::from_utf8(stage.arrived("tagged").await.content).unwrap();
    let ours = "\r\nX-Blackhole-Lists: zen.example, other.example (weight 2)\r\nSubject: tagged\r\n\r\nbody\r\n";
    assert!(arrived.ends_with(ours), "{arrived}");

    stage
        .appliance
        .set(json!({"blackhole_lists": {"refuse_weight": 2, "tag_weight": null}}))
        .await;
    let content = messages::small("refused");
    let reply = stage
        .send("refused@good.example", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 554, "{reply}");
    assert!(
        reply.text().contains("zen.example, other.example"),
        "{reply}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_cannot_be_answered_is_refused() {
    let (dns, _server) = dns().await;
    let stage = stage(dns, sender_check(json!({}))).await;
    for (sender, enhanced, why) in [
        ("a@absent.example", "5.1.8", "absent.example does not exist"),
        (
            "a@nothing.example",
            "5.1.8",
            "nothing.example has no mail exchanger and no address",
        ),
        (
            "a@null.example",
            "5.7.27",
            "null.example takes no mail (null MX)",
        ),
    ] {
        let (reply, examined) = turned_away(&stage, sender).await;
        let expected = format!("550 {enhanced} Refused: the sender's domain {why}");
        assert_eq!(reply, expected);
        assert_eq!(examined, format!("sender_check: refused, {why}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_can_be_answered_takes_the_path_that_is_set() {
    let (dns, _server) = dns().await;
    let stage = stage(dns, sender_check(json!({}))).await;
    for sender in ["a@good.example", "a@plain.example", "a@[192.0.2.1]"] {
        stage.taken(sender).await;
        stage.assert_diverted(sender, "sender_check").await;
    }
    // Reports have no sender.
    let reply = stage
        .send("", &["b@example.net"], &messages::small("report"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(stage.diverted("sender_check").await, 3);

    let fast = json!({"sender_check": {"disables_fast_path": false}});
    stage.appliance.set(fast).await;
    let trail = stage.taken("fast@good.example").await;
    assert_eq!(trail["examined"], "sender_check: passed");
    stage.assert_fast("fast@good.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_dns_has_the_answer_that_is_set_within_its_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silent_address = silent.local_addr().unwrap();
    let wait = json!({"timeout_seconds": 1});
    let stage = stage(silent_address, sender_check(wait.clone())).await;
    let began = Instant::now();
    let (reply, examined) = turned_away(&stage, "a@good.example").await;
    assert!(reply.starts_with("451 4."), "{reply}");
    assert!(
        examined.starts_with("sender_check: deferred, "),
        "{examined}"
    );
    assert!(began.elapsed() < Duration::from_secs(8));

    let mut both = lists(&["zen.example"], wait);
    both["sender_check"] = json!({"enabled": false});
    stage.appliance.set(both).await;
    let began = Instant::now();
    let trail = stage.taken("b@good.example").await;
    let examined = trail["examined"].as_str().unwrap();
    let said = "blackhole_lists: passed unchecked, zen.example: no answer within 1.0 s";
    assert_eq!(examined, said);
    assert!(began.elapsed() < Duration::from_secs(8));

    // Another DNS server is asked from the next message on.
    let (dns, _server) = dns().await;
    stage.appliance.set(json!({ "dns_servers": [dns] })).await;
    let content = messages::small("refused");
    let reply = stage
        .send("c@good.example", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 554, "{reply}");
}
