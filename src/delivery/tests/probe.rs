//! Tests of a next hop, against scripted servers.

use std::sync::Arc;

use super::scene::{delivery, next_hop, script};
use super::scripted_server::ScriptedServer;
use crate::delivery::{Probe, ProbeFinding};
use crate::limits;
use crate::settings::TlsPolicy;
use tokio::net::TcpListener;
use tokio::time::Instant;

const GREETING: &str = "
    S: 220 server ready
    C: EHLO relay.example.net
";
const PLAIN: &str = "
    S: 250-server
    S: 250 PIPELINING
";
const STARTTLS: &str = "
    S: 250-server
    S: 250 STARTTLS
";
const LEAVE: &str = "
    C: NOOP
    S: 250 ok
    C: QUIT
    S: 221 bye
";

async fn probe(parts: &[&str], policy: TlsPolicy) -> Probe {
    let server = ScriptedServer::start([script(parts)]).await;
    let mut next_hop = next_hop(server.address);
    next_hop.policy.tls = policy;
    let probe = delivery().probe(&next_hop).await;
    server.finish().await;
    probe
}

/// The steps as `kind finding`, and whether mail would go and be encrypted.
#[track_caller]
fn check(probe: &Probe, steps: &[&str], ready: bool, tls: bool) {
    let found: Vec<String> = probe
        .steps
        .iter()
        .map(|step| {
            let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let kind = serde_json::to_value(step.kind).map(word).expect("a word");
            let finding = serde_json::to_value(step.finding)
                .map(word)
                .expect("a word");
            format!("{kind} {finding}")
        })
        .collect();
    assert_eq!(found, steps, "{probe:?}");
    assert_eq!((probe.ready, probe.tls), (ready, tls), "{probe:?}");
}

fn words(probe: &Probe, place: usize) -> &str {
    &probe.steps[place].words
}

#[tokio::test]
async fn a_server_in_the_clear() {
    let probe = probe(&[GREETING, PLAIN, LEAVE], TlsPolicy::Opportunistic).await;
    let steps = [
        "look_up good",
        "connection good",
        "greeting good",
        "ehlo good",
        "start_tls doubtful",
        "noop good",
        "quit good",
    ];
    check(&probe, &steps, true, false);
    assert_eq!(words(&probe, 2), "220 server ready");
    assert_eq!(words(&probe, 3), "250 server PIPELINING");
    assert_eq!(words(&probe, 6), "221 bye");
}

#[tokio::test]
async fn tls_and_its_certificate() {
    let handshake = "
        C: STARTTLS
        S: 220 go on
        tls
        C: EHLO relay.example.net
    ";
    let dialogue = [GREETING, STARTTLS, handshake, PLAIN, LEAVE];
    let probe = probe(&dialogue, TlsPolicy::Opportunistic).await;
    let steps = [
        "look_up good",
        "connection good",
        "greeting good",
        "ehlo good",
        "start_tls good",
        "certificate doubtful",
        "ehlo good",
        "noop good",
        "quit good",
    ];
    check(&probe, &steps, true, true);
    assert!(words(&probe, 4).starts_with("TLS 1.3, "), "{probe:?}");
    let certificate = words(&probe, 5);
    assert!(certificate.contains("no authority that this machine knows"));
    assert!(certificate.contains("it is for elsewhere.example.com"));
}

#[tokio::test]
async fn tls_that_fails_leaves_the_way_in_the_clear() {
    for failure in [
        "C: STARTTLS\nS: 454 4.7.0 not now",
        "C: STARTTLS\nS: 220 go on\nclose",
    ] {
        let dialogue = [GREETING, STARTTLS, failure];
        let probe = probe(&dialogue, TlsPolicy::Opportunistic).await;
        let last = probe.steps.last().expect("steps");
        assert_eq!(last.finding, ProbeFinding::Doubtful);
        assert!(last.words.contains("unencrypted"), "{probe:?}");
        assert_eq!((probe.ready, probe.tls), (true, false));
    }
}

#[tokio::test]
async fn the_policy_may_forbid_tls() {
    let probe = probe(&[GREETING, STARTTLS, LEAVE], TlsPolicy::Never).await;
    let steps = [
        "look_up good",
        "connection good",
        "greeting good",
        "ehlo good",
        "noop good",
        "quit good",
    ];
    check(&probe, &steps, true, false);
}

#[tokio::test]
async fn an_old_server() {
    let helo = "
        S: 502 what?
        C: HELO relay.example.net
        S: 250 server
    ";
    let probe = probe(&[GREETING, helo, LEAVE], TlsPolicy::Never).await;
    let steps = [
        "look_up good",
        "connection good",
        "greeting good",
        "ehlo doubtful",
        "helo good",
        "noop good",
        "quit good",
    ];
    check(&probe, &steps, true, false);
}

#[tokio::test]
async fn a_server_that_turns_us_away() {
    for refusal in ["S: 554 5.7.1 not you", "S: 421 later", "close"] {
        let probe = probe(&[refusal], TlsPolicy::Opportunistic).await;
        let steps = ["look_up good", "connection good", "greeting bad"];
        check(&probe, &steps, false, false);
    }
}

#[tokio::test]
async fn a_silent_server_costs_ten_seconds_and_no_more() {
    for dialogue in [
        "time flies\nsilence",
        "S: 220 ready\nC: EHLO\ntime flies\nsilence",
    ] {
        let server = ScriptedServer::start([dialogue.to_owned()]).await;
        let delivery = delivery();
        let next_hop = next_hop(server.address);
        let began = Instant::now();
        let probe = delivery.probe(&next_hop).await;
        let took = began.elapsed();
        assert!(!probe.ready);
        let last = probe.steps.last().expect("steps");
        assert_eq!(last.finding, ProbeFinding::Bad);
        assert!(last.words.contains("timed out"), "{probe:?}");
        assert!(took <= limits::PROBE_WAIT * 2, "{took:?}");
        server.finish().await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn nobody_listens() {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = unused.local_addr().expect("it is bound");
    drop(unused);
    let probe = delivery().probe(&next_hop(address)).await;
    check(&probe, &["look_up good", "connection bad"], false, false);
    assert!(words(&probe, 1).contains(&address.to_string()));
}

#[tokio::test]
async fn a_test_is_not_counted_as_traffic() {
    let server = ScriptedServer::start([script(&[GREETING, PLAIN, LEAVE])]).await;
    let delivery: Arc<_> = delivery();
    let probe = delivery.probe(&next_hop(server.address)).await;
    assert!(probe.ready);
    assert!(delivery.next_hops().is_empty());
    server.finish().await;
}
