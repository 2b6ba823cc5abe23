//! Every answer of the DNS to every question of delivery: what cannot be known costs only itself, and only a
//! clear answer refuses.

use std::time::Duration;

use futures_util::future::join_all;
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::RecordType;

use crate::delivery::resolve::{MailServer, Resolver};
use crate::dns::scripted::{Badly, Edns, ScriptedDns, aaaa, cname, mx, v4};
use crate::limits;
use crate::message::Outcome;
use crate::settings::NextHopTarget;
use crate::settings::next_hop::NextHopPolicy;

/// What the DNS says.
const ANSWERS: [Badly; 9] = [
    Badly::BeSilent,
    Badly::Say(ResponseCode::ServFail),
    Badly::Say(ResponseCode::Refused),
    Badly::Say(ResponseCode::FormErr),
    Badly::Say(ResponseCode::NotImp),
    Badly::Say(ResponseCode::YXDomain),
    Badly::Refer,
    Badly::LackIt,
    Badly::LackTheName,
];

/// Where mail goes, in words: the addresses, or the reply's code and whether it is for good.
async fn way_to(target: NextHopTarget, dns: &ScriptedDns) -> String {
    let resolver = Resolver::new("relay.example.net".into());
    match resolver.servers(&target, &[dns.address()]).await {
        Ok(servers) => in_words(&servers),
        Err(Outcome::Refused(reply)) => format!("never {}", reply.code),
        Err(Outcome::Deferred(_, reply)) => format!("later {}", reply.code),
        Err(other) => format!("{other:?}"),
    }
}

fn in_words(servers: &[MailServer]) -> String {
    let addresses = servers.iter().map(|server| server.address.ip().to_string());
    addresses.collect::<Vec<_>>().join(" ")
}

fn domain(domain: &str) -> NextHopTarget {
    NextHopPolicy::default().by_mx(domain).target
}

fn own_server(host: &str) -> NextHopTarget {
    let address = format!("smtp://{host}:26");
    NextHopTarget::Fixed(address.parse().expect("an address"))
}

/// A domain with one exchanger, which has an address of each family; `badly` says otherwise of some.
async fn dns(badly: &[(&str, RecordType, Badly)]) -> ScriptedDns {
    let mut dns = ScriptedDns::start(&[
        ("d.example", mx("mx.d.example.")),
        // Were there no exchanger.
        ("d.example", v4("192.0.2.9")),
        ("mx.d.example", v4("192.0.2.1")),
        ("mx.d.example", aaaa("2001:db8::1")),
    ])
    .await;
    for &(zone, kind, how) in badly {
        dns = dns.badly(zone, Some(kind), how);
    }
    dns
}

fn is_clear(answer: Badly) -> bool {
    matches!(answer, Badly::LackIt | Badly::LackTheName)
}

async fn check_exchangers(answer: Badly) {
    let dns = dns(&[("d.example", RecordType::MX, answer)]).await;
    let expected = match answer {
        Badly::LackIt => "192.0.2.9",
        Badly::LackTheName => "never 550",
        _ => "later 451",
    };
    let way = way_to(domain("d.example"), &dns).await;
    assert_eq!(way, expected, "{answer:?}");
}

#[tokio::test]
async fn exchangers() {
    join_all(ANSWERS.map(check_exchangers)).await;
}

async fn check_one_family(answer: Badly, kind: RecordType, other: &str) {
    let dns = dns(&[("mx.d.example", kind, answer)]).await;
    for target in [domain("d.example"), own_server("mx.d.example")] {
        let way = way_to(target.clone(), &dns).await;
        assert_eq!(way, other, "{answer:?} to {kind}: {target:?}");
    }
}

#[tokio::test]
async fn addresses_of_one_family() {
    join_all(ANSWERS.map(|answer| check_one_family(answer, RecordType::A, "2001:db8::1"))).await;
    join_all(ANSWERS.map(|answer| check_one_family(answer, RecordType::AAAA, "192.0.2.1"))).await;
}

/// What comes too late for one attempt is there for the next, even when the first addresses lead nowhere.
#[tokio::test]
async fn a_late_family_is_not_lost() {
    let late = Badly::BeLate(2 * limits::DNS_FAMILY_WAIT);
    for (kind, first, second) in [
        (RecordType::A, "2001:db8::1", "192.0.2.1 2001:db8::1"),
        (RecordType::AAAA, "192.0.2.1", "192.0.2.1 2001:db8::1"),
    ] {
        let dns = dns(&[("mx.d.example", kind, late)]).await;
        let resolver = Resolver::new("relay.example.net".into());
        let target = domain("d.example");
        let before = servers(&resolver, &target, &dns).await;
        assert_eq!(in_words(&before), first);
        let looks = async {
            loop {
                // Nobody answered there.
                resolver.forget(&target, &before);
                let servers = servers(&resolver, &target, &dns).await;
                if in_words(&servers) == second {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), looks);
        in_time.await.expect("it comes in the end");
    }
}

async fn check_no_address(first: Badly, second: Badly) {
    let badly = [
        ("mx.d.example", RecordType::A, first),
        ("mx.d.example", RecordType::AAAA, second),
    ];
    let dns = dns(&badly).await;
    let expected = match is_clear(first) && is_clear(second) {
        true => "never 550",
        false => "later 451",
    };
    let way = way_to(domain("d.example"), &dns).await;
    assert_eq!(way, expected, "{first:?} {second:?}");
    let way = way_to(own_server("mx.d.example"), &dns).await;
    assert_eq!(way, "later 451", "{first:?} {second:?}");
}

#[tokio::test]
async fn no_address_at_all() {
    let mut checks = Vec::new();
    for first in ANSWERS {
        checks.extend(ANSWERS.map(|second| check_no_address(first, second)));
    }
    join_all(checks).await;
}

async fn check_two_exchangers(answer: Badly) {
    let records = [
        ("d.example", mx("bad.example.")),
        ("d.example", mx("good.example.")),
        ("good.example", v4("192.0.2.2")),
        ("bad.example", v4("192.0.2.3")),
    ];
    let dns = ScriptedDns::start(&records).await;
    let dns = dns.badly("bad.example", None, answer);
    let way = way_to(domain("d.example"), &dns).await;
    assert_eq!(way, "192.0.2.2", "{answer:?}");
}

#[tokio::test]
async fn one_exchanger_costs_no_other() {
    join_all(ANSWERS.map(check_two_exchangers)).await;
}

/// `length` aliases from `d0.example` to a domain with an exchanger.
async fn chain(length: usize) -> ScriptedDns {
    let mut records = vec![
        ("end.example".to_owned(), mx("mx.example.")),
        ("mx.example".to_owned(), v4("192.0.2.4")),
    ];
    for place in 0..length {
        let target = match place + 1 == length {
            true => "end.example.".to_owned(),
            false => format!("d{}.example.", place + 1),
        };
        records.push((format!("d{place}.example"), cname(&target)));
    }
    let records: Vec<_> = records
        .iter()
        .map(|(owner, data)| (owner.as_str(), data.clone()))
        .collect();
    ScriptedDns::start(&records).await
}

#[tokio::test]
async fn aliases() {
    for length in [1, 7, 8, 9, 10, 16, 17, 20] {
        let way = way_to(domain("d0.example"), &chain(length).await).await;
        assert_eq!(way, "192.0.2.4", "{length}");
    }
    let way = way_to(domain("d0.example"), &chain(60).await).await;
    assert_eq!(way, "later 451");
    // Round and round.
    for records in [
        vec![("a.example", cname("a.example."))],
        vec![
            ("a.example", cname("b.example.")),
            ("b.example", cname("a.example.")),
        ],
        vec![
            ("a.example", mx("b.example.")),
            ("b.example", cname("b.example.")),
        ],
    ] {
        let dns = ScriptedDns::start(&records).await;
        let way = way_to(domain("a.example"), &dns).await;
        assert_eq!(way, "later 451", "{records:?}");
    }
    // An alias of nothing is a clear answer.
    let dns = ScriptedDns::start(&[("a.example", cname("nothing.example."))]).await;
    assert_eq!(way_to(domain("a.example"), &dns).await, "never 550");
}

async fn check_edns(edns: Edns) {
    let dns = dns(&[]).await.with_edns(edns);
    for _ in 0..2 {
        let way = way_to(domain("d.example"), &dns).await;
        assert_eq!(way, "192.0.2.1 2001:db8::1", "{edns:?}");
    }
    let absent = way_to(domain("absent.example"), &dns).await;
    assert_eq!(absent, "never 550", "{edns:?}");
}

#[tokio::test]
async fn servers_without_edns() {
    let ways = [
        Edns::Understood,
        Edns::Refused,
        Edns::RefusedInAHeader,
        Edns::Swallowed,
    ];
    join_all(ways.map(check_edns)).await;
}

/// A relay is often called like the domain whose mail goes elsewhere.
#[tokio::test]
async fn our_own_name_is_a_domain_like_others() {
    let ours = "relay.example.net";
    for (records, expected) in [
        (
            vec![
                (ours, mx("mail.example.")),
                ("mail.example", v4("192.0.2.6")),
            ],
            "192.0.2.6",
        ),
        (
            vec![(ours, mx("Relay.Example.NET.")), (ours, v4("192.0.2.7"))],
            "never 554",
        ),
        (vec![(ours, v4("192.0.2.7"))], "never 554"),
        (vec![("example.net", v4("192.0.2.7"))], "never 550"),
    ] {
        let dns = ScriptedDns::start(&records).await;
        assert_eq!(way_to(domain(ours), &dns).await, expected, "{records:?}");
    }
}

#[tokio::test]
async fn whatever_letters_a_name_has() {
    let names = [
        "a_b.example",
        "-a-.example",
        "a--b.example",
        "0.example",
        "x/y.example",
        "_.example",
    ];
    for name in names {
        let dns = ScriptedDns::start(&[(name, v4("192.0.2.5"))]).await;
        assert_eq!(way_to(domain(name), &dns).await, "192.0.2.5", "{name}");
    }
}

async fn servers(
    resolver: &Resolver,
    target: &NextHopTarget,
    dns: &ScriptedDns,
) -> Vec<MailServer> {
    let servers = resolver.servers(target, &[dns.address()]).await;
    servers.expect("it has an address")
}

#[tokio::test]
async fn where_nobody_answered_is_asked_anew() {
    let dns = ScriptedDns::start(&[("mail.example", v4("192.0.2.1"))]).await;
    for target in [own_server("mail.example"), domain("mail.example")] {
        let resolver = Resolver::new("relay.example.net".into());
        dns.change(&[("mail.example", v4("192.0.2.1"))]);
        let before = servers(&resolver, &target, &dns).await;
        dns.change(&[("mail.example", v4("192.0.2.2"))]);
        let again = servers(&resolver, &target, &dns).await;
        assert_eq!(again, before, "it was asked just now");
        resolver.forget(&target, &before);
        let after = servers(&resolver, &target, &dns).await;
        assert_eq!(after[0].address.ip().to_string(), "192.0.2.2", "{target:?}");
    }
}
