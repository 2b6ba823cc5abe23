//! Lists in a DNS server of the test, and what becomes of a message.

use serde_json::{Value, json};
use tokio::time::Instant;

use std::sync::Arc;

use super::super::draft::Draft;
use super::super::testing::{asker, conditions, message, of_envelope, settings};
use super::*;
use crate::dns::scripted::{ScriptedDns, txt, v4};

const SECOND: Duration = Duration::from_secs(1);
/// 192.0.2.1, the client of the tests' messages, in three lists.
const LISTED: &str = "1.2.0.192";

async fn dns() -> ScriptedDns {
    let one = format!("{LISTED}.one.example");
    let two = format!("{LISTED}.two.example");
    let ipv6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.one.example";
    let texts =
        "Listed\r\n250 all is well, see http://one.example/".to_owned() + "x".repeat(230).as_str();
    ScriptedDns::start(&[
        (&one, v4("127.0.0.2")),
        (&one, txt(&texts[..240])),
        (&two, v4("127.0.0.4")),
        (ipv6, v4("127.0.0.3")),
        ("*.parked.example", v4("203.0.113.5")),
        ("*.closed.example", v4("127.255.255.254")),
    ])
    .await
    .failing("broken.example")
    .silent("silent.example")
}

/// Zones of the weights 1, 2, …, and what else is set.
fn lists(dns: &ScriptedDns, zones: &[&str], patch: Value) -> Settings {
    let zones: Vec<Value> = zones
        .iter()
        .zip(1..)
        .map(|(zone, weight)| json!({"zone": zone, "weight": weight}))
        .collect();
    let mut lists = json!({"enabled": true, "zones": zones});
    for (field, value) in patch.as_object().expect("an object") {
        lists[field] = value.clone();
    }
    settings(json!({"dns_servers": [dns.address()], "blackhole_lists": lists}))
}

async fn look_into(conditions: &Conditions, settings: &Settings, client: &str) -> CheckVerdict {
    let content = b"X-Blackhole-Lists: none\r\nSubject: x\r\nx-blackhole-lists: no\r\n\r\nbody\r\n";
    let mut message = message("anna@example.org", &["bert@example.net"], content);
    let arrived = Arc::get_mut(&mut message).expect("nobody else has it");
    arrived.client.address = Some(client.parse().expect("an address"));
    let draft = Draft::of(message).await.expect("readable");
    let deadline = Instant::now() + 2 * SECOND;
    let asker = draft.asker(deadline, settings.blackhole_lists.when_unavailable);
    let asked = of_envelope(conditions, settings, draft.arrived(), asker);
    let verdict = check(asked).await;
    verdict.behind(draft.forged(CHECK.tags))
}

/// Clients of three networks, of which the lists know nothing.
const CLIENTS: [&str; 3] = ["198.51.100.1", "198.51.100.2", "2001:db8::1"];

async fn verdict(settings: &Settings, client: &str) -> CheckVerdict {
    let (_directory, conditions) = conditions();
    look_into(&conditions, settings, client).await
}

#[tokio::test]
async fn a_listed_client_is_refused_in_the_words_of_the_list() {
    let dns = dns().await;
    let settings = lists(&dns, &["one.example"], json!({}));
    let refused = verdict(&settings, "192.0.2.1").await;
    let CheckAnswer::Refuse(reply) = refused.answer else {
        panic!("{refused:?}");
    };
    let reply = reply.to_string();
    let expected = "554 5.7.1 Refused: 192.0.2.1 is listed by one.example (Listed 250 all is well";
    assert!(reply.starts_with(expected), "{reply}");
    assert!(!reply.contains(['\r', '\n']), "{reply}");
    assert!(reply.len() < limits::CHECK_WORDS_BYTES + 80, "{reply}");
    assert_eq!(
        refused.words,
        "192.0.2.1 is listed by one.example, weight 1"
    );

    let mapped = verdict(&settings, "::ffff:192.0.2.1").await;
    assert!(
        matches!(mapped.answer, CheckAnswer::Refuse(_)),
        "{mapped:?}"
    );
    let CheckAnswer::Refuse(reply) = verdict(&settings, "2001:db8::1").await.answer else {
        panic!("it is listed");
    };
    let expected = "554 5.7.1 Refused: 2001:db8::1 is listed by one.example";
    assert_eq!(reply.to_string(), expected);

    let other = verdict(&settings, "192.0.2.2").await;
    assert!(matches!(other.answer, CheckAnswer::Pass), "{other:?}");
    assert!(other.words.is_empty());
}

#[tokio::test]
async fn weights_add_up_and_tag_before_they_refuse() {
    let dns = dns().await;
    let zones = ["one.example", "two.example"];
    let both = lists(&dns, &zones, json!({"refuse_weight": 3}));
    let refused = verdict(&both, "192.0.2.1").await;
    assert!(
        matches!(refused.answer, CheckAnswer::Refuse(_)),
        "{refused:?}"
    );
    let said = "192.0.2.1 is listed by one.example, two.example, weight 3";
    assert_eq!(refused.words, said);

    let patch = json!({"refuse_weight": 4, "tag_weight": 3});
    let tagged = verdict(&lists(&dns, &zones, patch), "192.0.2.1").await;
    assert!(matches!(tagged.answer, CheckAnswer::Pass), "{tagged:?}");
    let gone = || Edit::RemoveAll(TAG);
    let ours = Field::new(TAG, "one.example, two.example (weight 3)");
    assert_eq!(tagged.edits, [gone(), Edit::Prepend(ours)]);

    let settings = lists(&dns, &zones, json!({"refuse_weight": 4}));
    let light = verdict(&settings, "192.0.2.1").await;
    assert!(matches!(light.answer, CheckAnswer::Pass), "{light:?}");
    assert_eq!(light.edits, [gone()], "only we write such a field");
}

#[tokio::test]
async fn a_zone_that_answers_everything_lists_nobody() {
    let dns = dns().await;
    let settings = lists(&dns, &["parked.example"], json!({}));
    let passed = verdict(&settings, "192.0.2.9").await;
    assert!(matches!(passed.answer, CheckAnswer::Pass), "{passed:?}");
    let said = "parked.example answers 203.0.113.5, outside 127.0.0.0/8: not counted";
    assert_eq!(passed.words, said);
}

#[tokio::test]
async fn a_zone_that_cannot_be_asked_decides_nothing() {
    let dns = dns().await;
    for (zone, part) in [
        ("broken.example", "broken.example: the DNS look-up of"),
        ("closed.example", "does not serve our DNS server"),
    ] {
        let settings = lists(&dns, &[zone], json!({}));
        let unknown = verdict(&settings, "192.0.2.1").await;
        assert!(
            matches!(unknown.answer, CheckAnswer::CannotTell),
            "{unknown:?}"
        );
        assert!(unknown.words.contains(part), "{}", unknown.words);

        // The other one refuses by itself.
        let settings = lists(&dns, &[zone, "two.example"], json!({"refuse_weight": 2}));
        let refused = verdict(&settings, "192.0.2.1").await;
        assert!(
            matches!(refused.answer, CheckAnswer::Refuse(_)),
            "{refused:?}"
        );

        // It tags by itself, and whether it would be refused is not known.
        let patch = json!({"refuse_weight": 3, "tag_weight": 1});
        let settings = lists(&dns, &[zone, "two.example"], patch);
        let tagged = verdict(&settings, "192.0.2.1").await;
        assert!(
            matches!(tagged.answer, CheckAnswer::CannotTell),
            "{tagged:?}"
        );
        let ours = Field::new(TAG, "two.example (weight 2)");
        assert_eq!(tagged.edits.last(), Some(&Edit::Prepend(ours)));
    }
}

#[tokio::test]
async fn a_zone_that_is_silent_is_waited_for_and_then_has_little_time() {
    let dns = dns().await;
    let settings = lists(&dns, &["silent.example"], json!({}));
    let (_directory, known) = conditions();
    tokio::time::pause();
    for client in CLIENTS {
        let began = Instant::now();
        let unknown = look_into(&known, &settings, client).await;
        assert!(
            matches!(unknown.answer, CheckAnswer::CannotTell),
            "{unknown:?}"
        );
        assert_eq!(unknown.words, "silent.example: no answer within 2.0 s");
        assert!(began.elapsed() < 3 * SECOND, "{:?}", began.elapsed());
    }
    // It is silent about its test point, too, and has little time for messages from then on.
    for wait in [3 * SECOND, SECOND] {
        let began = Instant::now();
        let unknown = look_into(&known, &settings, "192.0.2.1").await;
        assert!(
            matches!(unknown.answer, CheckAnswer::CannotTell),
            "{unknown:?}"
        );
        assert_eq!(unknown.words, "silent.example: no answer within 1.0 s");
        assert!(began.elapsed() < wait + SECOND / 10);
    }
    let figures = known.services();
    assert_eq!(&*figures[0].name, "silent.example");

    // What was learned through another DNS server means nothing, and what is not set any more is forgotten.
    let other = ScriptedDns::start(&[]).await;
    let through_other = lists(&other, &["silent.example"], json!({}));
    let passed = look_into(&known, &through_other, "192.0.2.1").await;
    assert!(matches!(passed.answer, CheckAnswer::Pass), "{passed:?}");
    let settings = lists(&other, &["one.example"], json!({}));
    known.blackhole_lists.of(&settings);
    assert_eq!(known.services(), []);
}

#[tokio::test]
async fn clients_that_a_zone_is_silent_about_are_nobody_else_s_trouble() {
    let mut dns = dns().await;
    for client in CLIENTS {
        let address = client.parse().expect("an address");
        dns = dns.silent(&listing::name_of(address, "one.example"));
    }
    let settings = lists(&dns, &["one.example"], json!({}));
    let (_directory, known) = conditions();
    tokio::time::pause();
    for client in CLIENTS {
        let unknown = look_into(&known, &settings, client).await;
        assert!(
            matches!(unknown.answer, CheckAnswer::CannotTell),
            "{unknown:?}"
        );
    }
    let refused = look_into(&known, &settings, "192.0.2.1").await;
    assert!(
        matches!(refused.answer, CheckAnswer::Refuse(_)),
        "{refused:?}"
    );
    let test_point = "2.0.0.127.one.example A".to_owned();
    assert!(dns.asked().contains(&test_point), "{:?}", dns.asked());
}

#[tokio::test]
async fn answers_are_kept() {
    let dns = dns().await;
    let zones = ["one.example", "two.example"];
    let settings = lists(&dns, &zones, json!({"refuse_weight": 3}));
    let (_directory, known) = conditions();
    for _ in 0..3 {
        for client in ["192.0.2.1", "192.0.2.2"] {
            let asker = asker(client, 2 * SECOND);
            let address = client.parse().expect("an address");
            ask(&known, &settings, address, asker).await;
        }
    }
    assert_eq!(dns.asked().len(), 4, "{:?}", dns.asked());
}

#[tokio::test]
async fn an_address_is_tried_out_with_every_list() {
    let dns = dns().await;
    let zones = [
        "one.example",
        "parked.example",
        "broken.example",
        "no.example",
    ];
    let settings = lists(&dns, &zones, json!({}));
    let address = "192.0.2.1".parse().expect("an address");
    let found = try_out(&Dns::default(), &settings, address).await;
    assert_eq!((found.weight, found.weighed), (1, Weighed::Refuse));
    let [one, parked, broken, no] = &found.lists[..] else {
        panic!("{found:?}");
    };
    assert!(matches!(&one.listing, Listing::Listed(answers) if answers.len() == 1));
    assert!(
        one.text
            .as_deref()
            .is_some_and(|text| text.starts_with("Listed"))
    );
    assert!(matches!(parked.listing, Listing::NotCounted(_)));
    assert!(matches!(broken.listing, Listing::Unknown(_)));
    assert_eq!((&no.listing, &no.text), (&Listing::NotListed, &None));
    assert_eq!(no.zone.weight, 4);
}
