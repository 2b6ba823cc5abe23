//! Which conditions are present: steps 401–403 of Figure 4, as a pure function over facts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::encryption;
use super::header::{Field, Header};
use crate::limits;
use crate::message::{DiskReason, Message};
use crate::settings::Settings;
use crate::settings::conditions::{PreparedOwn, WhenNoKey};

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The sender's domain is looked up.
    SenderCheck,
    /// The client is looked up in lists.
    BlackholeLists,
    /// LDAP relaying is off; or it is on, and the directory says where recipients are.
    LdapRelaying,
    /// One of the administrator's own, by its name.
    Own(Arc<str>),
    /// The administrator's rules are asked about its content.
    ContentFilter,
    /// clamd looks for malware.
    Antivirus,
    /// rspamd or spamd looks for spam.
    Antispam,
    /// The directory says what the sender is called.
    LdapMasquerading,
    /// The milter at this position of the settings: each of them is asked by itself.
    Milter(usize),
    /// Recipients with an OpenPGP key get it encrypted.
    Encryption,
    /// Each recipient gets a message of its own.
    ReceivedFor,
}

impl Condition {
    /// The word in reasons, settings and pages.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::SenderCheck => "sender_check".into(),
            Self::BlackholeLists => "blackhole_lists".into(),
            Self::LdapRelaying => "ldap_relaying".into(),
            Self::Own(name) => Cow::Owned(name.to_string()),
            Self::ContentFilter => "content_filter".into(),
            Self::Antivirus => "antivirus".into(),
            Self::Antispam => "antispam".into(),
            Self::LdapMasquerading => "ldap_masquerading".into(),
            Self::Milter(_) => "milter".into(),
            Self::Encryption => "encryption".into(),
            Self::ReceivedFor => "received_for".into(),
        }
    }

    /// Why a message touched disk when this condition sent it down the standard path.
    #[must_use]
    pub fn reason(&self) -> DiskReason {
        DiskReason::Condition(match self {
            Self::Own(name) => Arc::clone(name),
            other => Arc::from(&*other.name()),
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What is known of a message when its data has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Client, envelope, size.
    pub message: &'a Message,
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
    /// Its header.
    pub header: &'a Header,
    /// Who of its recipients has an OpenPGP key.
    pub keys: Coverage,
}

/// For whom there is a valid OpenPGP key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Some recipient has one.
    pub some_have: bool,
    /// Some recipient has none.
    pub some_lack: bool,
}

/// A condition that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Which.
    pub condition: Condition,
    /// It sends the message down the standard path.
    pub disables_fast_path: bool,
}

/// The conditions that are present, in the order in which they are looked into: what is known already,
/// what is ours to say, what services say, and last what only changes the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// In that order.
    pub present: Vec<Present>,
}

impl Decision {
    /// Step 402: the first condition that disables the fast path, if one does.
    #[must_use]
    pub fn standard_path(&self) -> Option<&Condition> {
        let mut present = self.present.iter();
        let first = present.find(|present| present.disables_fast_path)?;
        Some(&first.condition)
    }
}

/// Step 401: which conditions are present.
#[must_use]
pub fn decide(facts: &Facts<'_>, settings: &Settings) -> Decision {
    let mut present = Vec::new();
    let mut note = |is_present: bool, condition: Condition, disables_fast_path: bool| {
        if is_present {
            present.push(Present {
                condition,
                disables_fast_path,
            });
        }
    };
    let sender_check = &settings.sender_check;
    note(
        sender_check.enabled && has_doubtful_sender(facts, settings),
        Condition::SenderCheck,
        sender_check.disables_fast_path,
    );
    let lists = &settings.blackhole_lists;
    note(
        lists.enabled && has_doubtful_client(facts, settings),
        Condition::BlackholeLists,
        lists.disables_fast_path,
    );
    let relaying = &settings.ldap_relaying;
    note(
        match relaying.enabled {
            // [0031]: “disabled LDAP relaying” is the condition.
            false => relaying.disables_fast_path_when_off,
            true => is_routed(facts, settings),
        },
        Condition::LdapRelaying,
        !relaying.enabled,
    );
    for own in &settings.conditions().own {
        let name = Arc::from(own.written.name.as_str());
        note(holds(own, facts), Condition::Own(name), true);
    }
    let content_filter = &settings.content_filter;
    note(
        content_filter.concerns_any(),
        Condition::ContentFilter,
        content_filter.disables_fast_path,
    );
    let antivirus = &settings.antivirus;
    note(
        antivirus.enabled,
        Condition::Antivirus,
        antivirus.disables_fast_path,
    );
    let antispam = &settings.antispam;
    note(
        antispam.enabled,
        Condition::Antispam,
        antispam.disables_fast_path,
    );
    note(
        // A stranger is given no official address.
        is_trusted(facts, settings) && settings.is_masqueraded(&facts.message.envelope.sender),
        Condition::LdapMasquerading,
        settings.ldap_masquerading.disables_fast_path,
    );
    let milter = &settings.milter;
    for position in 0..milter.milters.len().min(limits::MILTERS) {
        let condition = Condition::Milter(position);
        note(milter.enabled, condition, milter.disables_fast_path);
    }
    note(
        encryption_concerns(facts.keys, facts.header.fields(), settings),
        Condition::Encryption,
        // It makes several messages of one, which only the queue can take all or none of.
        true,
    );
    let received_for = &settings.received_for;
    note(
        received_for.enabled,
        Condition::ReceivedFor,
        received_for.disables_fast_path,
    );
    Decision { present }
}

/// Whether a message with these fields, to recipients of whom `keys` says who has one, is to be encrypted,
/// or refused because it cannot be.
pub(super) fn encryption_concerns(keys: Coverage, fields: &[Field], settings: &Settings) -> bool {
    let encryption = &settings.encryption;
    let refuses = encryption.when_no_key == WhenNoKey::Refuse;
    encryption.enabled
        && (keys.some_have || refuses && keys.some_lack)
        && !encryption::is_encrypted(fields)
}

/// Whether the directory says where one of the recipients is.
fn is_routed(facts: &Facts<'_>, settings: &Settings) -> bool {
    let mut recipients = facts.message.envelope.recipients.iter();
    recipients.any(|recipient| settings.is_routed_by_directory(&recipient.address))
}

/// Whether the sender's domain is to be looked up. The null sender has none.
fn has_doubtful_sender(facts: &Facts<'_>, settings: &Settings) -> bool {
    let is_exempt = settings.sender_check.exempt_trusted && is_trusted(facts, settings);
    !is_exempt && !facts.message.envelope.sender.is_null()
}

/// Whether the client is to be looked up.
fn has_doubtful_client(facts: &Facts<'_>, settings: &Settings) -> bool {
    let address = facts.message.client.address;
    let is_allowed = |address| settings.blackhole_lists.allows(address);
    !is_trusted(facts, settings) && !address.is_none_or(is_allowed)
}

/// Whether we know who sends it: a client of ours, or somebody who has logged in.
fn is_trusted(facts: &Facts<'_>, settings: &Settings) -> bool {
    let client = &facts.message.client;
    let trusts = |address| settings.trusts(address);
    client.login.is_some() || client.address.is_none_or(trusts)
}

/// Whether all parts of an own condition hold.
fn holds(own: &PreparedOwn, facts: &Facts<'_>) -> bool {
    let message = facts.message;
    let recipients = &message.envelope.recipients;
    let written = &own.written;
    let size = message.body.len().max(facts.declared_size.unwrap_or(0));
    let in_networks = || {
        let networks = &written.client_networks;
        message
            .client
            .address
            .is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
    };
    written
        .recipients_more_than
        .is_none_or(|most| recipients.len() as u64 > most)
        && written.larger_than_bytes.is_none_or(|most| size > most)
        && (written.client_networks.is_empty() || in_networks())
        && own
            .sender
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(message.envelope.sender.as_str()))
        && own.recipient.as_ref().is_none_or(|pattern| {
            let mut recipients = recipients.iter();
            recipients.any(|recipient| pattern.is_match(recipient.address.as_str()))
        })
        && written
            .header_field
            .as_deref()
            .is_none_or(|name| facts.header.has(name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{message, settings};
    use super::*;

    /// The conditions that are present, and the one that disables the fast path.
    fn check(patch: Value, declared_size: Option<u64>, present: &[&str], standard: Option<&str>) {
        let message = message(
            "Anna@example.org",
            &["bert@example.net", "carl@example.com"],
            b"Subject: x\r\nX-Bulk: yes\r\n\r\nbody\r\n",
        );
        let header = Header::read(b"Subject: x\r\nX-Bulk: yes\r\n\r\nbody\r\n");
        let facts = Facts {
            message: &message,
            declared_size,
            header: &header,
            keys: Coverage::default(),
        };
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
        let facts = Facts {
            message: &message,
            declared_size: None,
            header: &header,
            keys: Coverage::default(),
        };
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
            let facts = Facts {
                message: &message,
                declared_size: None,
                header: &header,
                keys: Coverage {
                    some_have,
                    some_lack,
                },
            };
            let patch =
                |enabled| json!({"encryption": {"enabled": enabled, "when_no_key": policy}});
            let decision = decide(&facts, &settings(patch(true)));
            let is_standard = decision.standard_path() == Some(&Condition::Encryption);
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
}
