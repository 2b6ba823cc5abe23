use serde_json::{Value, json};

use super::super::check::{CheckFn, Concerns};
use super::super::facts::{ContentFacts, Coverage};
use super::super::header::Header;
use super::super::own;
use super::super::testing::{message, settings};
use super::*;
use crate::message::Message;
use crate::settings::SettingsDocument;

fn facts<'a>(
    message: &'a Message,
    declared_size: Option<u64>,
    header: &'a Header,
    keys: Coverage,
) -> MessageFacts<'a> {
    MessageFacts {
        envelope: EnvelopeFacts::of(message, declared_size),
        content: Some(ContentFacts {
            size_bytes: message.body.len(),
            header,
            keys,
        }),
    }
}

/// The conditions that are present, and the one that disables the fast path.
fn check(patch: Value, declared_size: Option<u64>, present: &[&str], standard: Option<&str>) {
    let message = message(
        "Anna@example.org",
        &["bert@example.net", "carl@example.com"],
        b"Subject: x\r\nX-Bulk: yes\r\n\r\nbody\r\n",
    );
    let header = Header::read(b"Subject: x\r\nX-Bulk: yes\r\n\r\nbody\r\n");
    let facts = facts(&message, declared_size, &header, Coverage::default());
    let decision = decide(&facts, &settings(patch.clone()));
    let names = decision.present.iter();
    let names: Vec<String> = names.map(|one| one.condition.to_string()).collect();
    assert_eq!(names, present, "{patch}");
    let found = decision.standard_path().map(ToString::to_string);
    assert_eq!(found.as_deref(), standard, "{patch}");
}

#[test]
fn nothing_is_present_by_default() {
    check(json!({}), None, &[], None);
}

#[test]
fn a_switch_makes_a_condition_present_and_the_question_decides_the_path() {
    let antivirus = |disables: bool| {
        json!({"antivirus": {
            "enabled": true, "server": "127.0.0.1:3310", "disables_fast_path": disables,
        }})
    };
    check(antivirus(true), None, &["antivirus"], Some("antivirus"));
    check(antivirus(false), None, &["antivirus"], None);
    let rules = json!([{"name": "a", "part": "size", "larger_than_bytes": 1}]);
    let content_filter = |rules| json!({"content_filter": {"enabled": true, "rules": rules}});
    let name = "content_filter";
    check(content_filter(rules), None, &[name], Some(name));
    check(content_filter(json!([])), None, &[], None);
    let both = json!({
        "antivirus": {"enabled": true, "server": "127.0.0.1:1", "disables_fast_path": false},
        "antispam": {"enabled": true, "server": "127.0.0.1:1", "disables_fast_path": false},
        "received_for": {"enabled": true},
    });
    check(
        both,
        None,
        &["antivirus", "antispam", "received_for"],
        Some("received_for"),
    );
}

/// Whether a message of this sender and this client is looked into by a condition.
fn concerns(
    condition: &str,
    patch: Value,
    sender: &str,
    address: &str,
    login: Option<&str>,
) -> bool {
    let mut message = message(sender, &["bert@example.net"], b"\r\n");
    let arrived = Arc::get_mut(&mut message).expect("nobody else has it");
    let address = (!address.is_empty()).then(|| address.parse().expect("an address"));
    arrived.client.address = address;
    arrived.client.login = login.map(Into::into);
    let header = Header::default();
    let facts = facts(&message, None, &header, Coverage::default());
    let patch = json!({ condition: patch });
    let decision = decide(&facts, &settings(patch));
    let mut present = decision.present.iter();
    present.any(|one| one.condition.to_string() == condition)
}

#[test]
fn senders_are_checked_of_those_whom_we_do_not_know() {
    let on = || json!({"enabled": true});
    let strict = || json!({"enabled": true, "exempt_trusted": false});
    for (patch, sender, address, login, expected) in [
        (on(), "anna@example.org", "192.0.2.1", None, true),
        (json!({}), "anna@example.org", "192.0.2.1", None, false),
        (on(), "", "192.0.2.1", None, false),
        (on(), "anna@example.org", "127.0.0.1", None, false),
        (on(), "anna@example.org", "::ffff:127.0.0.1", None, false),
        (on(), "anna@example.org", "192.0.2.1", Some("anna"), false),
        (on(), "anna@example.org", "", None, false),
        (strict(), "anna@example.org", "127.0.0.1", None, true),
        (
            strict(),
            "anna@example.org",
            "192.0.2.1",
            Some("anna"),
            true,
        ),
        (strict(), "", "127.0.0.1", None, false),
    ] {
        let found = concerns("sender_check", patch.clone(), sender, address, login);
        assert_eq!(found, expected, "{patch} {sender} {address} {login:?}");
    }
}

#[test]
fn clients_are_looked_up_that_we_do_not_know() {
    let on = || {
        json!({
            "enabled": true,
            "zones": [{"zone": "zen.example"}],
            "allowed_networks": ["198.51.100.0/24", "2001:db8::/32"],
        })
    };
    for (address, login, expected) in [
        ("192.0.2.1", None, true),
        ("192.0.2.1", Some("anna"), false),
        ("127.0.0.1", None, false),
        ("198.51.100.7", None, false),
        ("::ffff:198.51.100.7", None, false),
        ("2001:db8::1", None, false),
        ("2001:db9::1", None, true),
        ("", None, false),
    ] {
        let found = concerns("blackhole_lists", on(), "anna@example.org", address, login);
        assert_eq!(found, expected, "{address} {login:?}");
        // The null sender is somebody's client as well.
        let found = concerns("blackhole_lists", on(), "", address, login);
        assert_eq!(found, expected, "{address} {login:?}");
    }
}

#[test]
fn encryption_is_present_by_the_keys_of_the_recipients() {
    let plain: &[u8] = b"Subject: x\r\n\r\nbody\r\n";
    let encrypted: &[u8] = b"Content-Type: multipart/encrypted; boundary=b\r\n\r\nbody\r\n";
    for (policy, some_have, some_lack, content, expected) in [
        ("send_plain", false, true, plain, false),
        ("send_plain", true, false, plain, true),
        ("send_plain", true, true, plain, true),
        ("send_plain", true, true, encrypted, false),
        ("refuse", false, true, plain, true),
        ("refuse", true, true, plain, true),
        ("refuse", true, false, plain, true),
        ("refuse", false, true, encrypted, false),
    ] {
        let message = message("anna@example.org", &["bert@example.net"], plain);
        let header = Header::read(content);
        let keys = Coverage {
            some_have,
            some_lack,
        };
        let facts = facts(&message, None, &header, keys);
        let patch = |enabled| json!({"encryption": {"enabled": enabled, "when_no_key": policy}});
        let decision = decide(&facts, &settings(patch(true)));
        let is_standard = decision
            .standard_path()
            .is_some_and(|condition| condition.kind == ConditionKind::Encryption);
        assert_eq!(is_standard, expected, "{policy} {some_have} {some_lack}");
        let off = decide(&facts, &settings(patch(false)));
        assert_eq!(off.present, []);
    }
}

#[test]
fn ldap_relaying_disables_the_fast_path_while_it_is_off() {
    let directory = || json!({"url": "ldap://127.0.0.1", "base": "dc=example"});
    let when_off = json!({"ldap_relaying": {"disables_fast_path_when_off": true}});
    check(when_off, None, &["ldap_relaying"], Some("ldap_relaying"));
    for (domains, present) in [
        (json!([]), &["ldap_relaying"][..]),
        (json!(["example.com"]), &["ldap_relaying"]),
        (json!([".com"]), &["ldap_relaying"]),
        (json!(["example.org"]), &[]),
    ] {
        let on = json!({
            "directory": directory(),
            "ldap_relaying": {
                "enabled": true, "disables_fast_path_when_off": true, "domains": domains,
            },
        });
        check(on, None, present, None);
    }
}

#[test]
fn masquerading_concerns_the_senders_of_its_domains() {
    for (domains, present) in [
        (json!([]), &["ldap_masquerading"][..]),
        (json!(["example.org"]), &["ldap_masquerading"]),
        (json!(["example.net"]), &[]),
    ] {
        let patch = |trusted: &str| {
            json!({
                "directory": {"url": "ldap://127.0.0.1", "base": "dc=example"},
                "ldap_masquerading": {"enabled": true, "domains": domains},
                "trusted_networks": [trusted],
            })
        };
        check(
            patch("192.0.2.0/24"),
            None,
            present,
            present.first().copied(),
        );
        check(patch("198.51.100.0/24"), None, &[], None);
    }
}

#[test]
fn each_milter_is_asked_by_itself() {
    let milter = |enabled: bool| {
        json!({"milter": {
            "enabled": enabled,
            "milters": ["127.0.0.1:8891", "unix:/run/clamav/milter.sock"],
        }})
    };
    check(milter(true), None, &["milter", "milter"], Some("milter"));
    check(milter(false), None, &[], None);
}

#[test]
fn own_conditions_hold_when_all_of_their_parts_do() {
    for (condition, declared_size, expected) in [
        (json!({"recipients_more_than": 1}), None, true),
        (json!({"recipients_more_than": 2}), None, false),
        (json!({"larger_than_bytes": 5}), None, true),
        (json!({"larger_than_bytes": 100}), None, false),
        (json!({"larger_than_bytes": 100}), Some(101), true),
        (json!({"client_networks": ["192.0.2.0/24"]}), None, true),
        (json!({"client_networks": ["198.51.100.0/24"]}), None, false),
        (json!({"sender_pattern": "^anna@"}), None, true),
        (json!({"sender_pattern": "^bert@"}), None, false),
        (json!({"recipient_pattern": r"@example\.com$"}), None, true),
        (json!({"recipient_pattern": "dora"}), None, false),
        (json!({"header_field": "x-bulk"}), None, true),
        (json!({"header_field": "X-Bul"}), None, false),
        (
            json!({"header_field": "x-bulk", "recipients_more_than": 9}),
            None,
            false,
        ),
    ] {
        let mut condition = condition;
        condition["name"] = json!("mine");
        let present: &[&str] = if expected { &["mine"] } else { &[] };
        let patch = json!({"own_conditions": [condition]});
        check(patch, declared_size, present, present.first().copied());
    }
}

/// What is not known yet does not hold.
#[test]
fn before_the_content_own_conditions_go_by_the_envelope() {
    let message = message(
        "anna@example.org",
        &["bert@example.net", "carl@example.com"],
        b"X-Bulk: yes\r\n\r\nbody\r\n",
    );
    for (condition, declared_size, expected) in [
        (json!({"larger_than_bytes": 5}), None, false),
        (json!({"larger_than_bytes": 5}), Some(6), true),
        (json!({"larger_than_bytes": 0}), None, true),
        (json!({"sender_pattern": "^anna@"}), None, true),
        (json!({"client_networks": ["192.0.2.0/24"]}), None, true),
    ] {
        let mut condition = condition;
        condition["name"] = json!("mine");
        condition["leads_to"] = json!("cut_through");
        let settings = settings(json!({"own_conditions": [condition]}));
        let envelope = EnvelopeFacts::of(&message, declared_size);
        let found = own::leads_through(envelope, &settings);
        assert_eq!(found, expected, "{condition}");
    }
}

/// Cut-through must not let a message past a condition that has to see its content.
#[test]
fn what_goes_by_the_message_needs_the_content() {
    for description in CONDITIONS {
        let kind = description.kind;
        let check = check_of(kind);
        let goes_by_message = matches!(check.run, CheckFn::Message(_))
            || matches!(check.concerns, Concerns::ByMessage(_));
        let document = match kind {
            // Those of the envelope do not.
            ConditionKind::Own => json!({"own_conditions": [{"header_field": "X"}]}),
            _ => json!({ description.name: {"enabled": true} }),
        };
        let document: SettingsDocument = serde_json::from_value(document).expect("settings");
        let policy = document.policy(kind);
        assert!(policy.is_on, "{description:?}");
        assert!(!goes_by_message || policy.needs_content, "{description:?}");
    }
}

#[test]
fn the_first_condition_that_needs_the_content_is_named() {
    let own = |parts: Value| {
        let mut own = json!({"name": "mine"});
        own.as_object_mut()
            .expect("an object")
            .extend(parts.as_object().cloned().unwrap_or_default());
        json!({"own_conditions": [{"name": "other", "recipients_more_than": 1}, own]})
    };
    let antivirus =
        |enabled: bool| json!({"antivirus": {"enabled": enabled, "server": "127.0.0.1:1"}});
    let lists = |tag: Value| {
        json!({"blackhole_lists": {
            "enabled": true, "zones": [{"zone": "zen.example"}], "refuse_weight": 2, "tag_weight": tag,
        }})
    };
    for (patch, expected) in [
        (json!({}), None),
        (own(json!({"recipients_more_than": 5})), None),
        (own(json!({"larger_than_bytes": 5})), Some("mine")),
        (own(json!({"header_field": "X"})), Some("mine")),
        (
            own(json!({"larger_than_bytes": 5, "leads_to": "cut_through"})),
            None,
        ),
        (antivirus(true), Some("antivirus")),
        (antivirus(false), None),
        (lists(json!(null)), None),
        (lists(json!(1)), Some("blackhole_lists")),
        (json!({"sender_check": {"enabled": true}}), None),
        (
            json!({"received_for": {"enabled": true}}),
            Some("received_for"),
        ),
        (json!({"content_filter": {"enabled": true}}), None),
    ] {
        let found = needs_content(&settings(patch.clone()));
        assert_eq!(
            found.map(|condition| condition.to_string()).as_deref(),
            expected,
            "{patch}"
        );
    }
}
