//! The settings of the blackhole lists.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::{DISABLES_FAST_PATH, ENABLED, TIMEOUT, WHEN_UNAVAILABLE};
use crate::settings::catalogue::{
    EntryList, SettingKind as Kind, Switchable, TextKind, ValueBounds, group, object, setting,
    switchable,
};

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable,
};
use crate::limits;
use crate::settings::networks::any_has;
use crate::settings::{FieldErrors, names};
use crate::smtp::domain::ascii_domain;

/// The field of the zones.
const ZONES: &str = "blackhole_lists.zones";

/// RFC 5782 §2.1: what a list answers is in here.
const ANSWERS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// Looks clients up in lists of addresses that the DNS holds (RFC 5782).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlackholeLists {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
    /// The lists.
    pub zones: Vec<BlackholeZone>,
    /// A client whose lists weigh so much together is refused; none: never.
    pub refuse_weight: Option<u32>,
    /// Its message is tagged at this weight; none: never.
    pub tag_weight: Option<u32>,
    /// Clients that are never looked up; nor are those of trusted networks, and those who have logged in.
    #[serde(deserialize_with = "names::networks")]
    #[schema(value_type = Vec<String>, examples(json!(["192.0.2.0/24"])))]
    pub allowed_networks: Vec<IpNet>,
    /// The longest wait for the DNS.
    pub timeout_seconds: u64,
    /// What happens when zones cannot be asked whose weight would matter.
    pub when_unavailable: WhenUnavailable,
}

/// One list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlackholeZone {
    /// Its domain, below which addresses are looked up.
    pub zone: String,
    /// How much it counts that an address is listed here.
    pub weight: u32,
    /// The answers that count, all inside 127.0.0.0/8; empty: any inside.
    #[serde(deserialize_with = "names::networks")]
    #[schema(value_type = Vec<String>, examples(json!(["127.0.0.2/32"])))]
    pub answers: Vec<IpNet>,
}

impl Default for BlackholeLists {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
            zones: Vec::new(),
            refuse_weight: Some(1),
            tag_weight: None,
            allowed_networks: Vec::new(),
            timeout_seconds: 5,
            // A list is run by others: mail must not stop when it is down.
            when_unavailable: WhenUnavailable::Pass,
        }
    }
}

/// From which weight on something becomes of a client's messages.
#[rustfmt::skip]
const WEIGHT: Switchable = switchable("from a total weight of", Kind::Number(ValueBounds::new(1, 1_000)), "or more", "1");

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::BlackholeLists,
    name: "blackhole_lists",
    title: "Blackhole lists",
    summary: "Looks clients up in lists of addresses that the DNS holds: refuses or tags the mail of those that are listed. Trusted networks, and clients that have logged in, are not looked up.",
    groups: &[
        group("blackhole_lists", "The condition", &[
            ENABLED,
            DISABLES_FAST_PATH,
            setting("refuse_weight", "Reject",
                "554 in the session, with the text of the first list that has the client.",
                Kind::OrOff(&WEIGHT)),
            setting("tag_weight", "Tag",
                "Deliver with a header field X-Blackhole-Lists that names the lists.",
                Kind::OrOff(&WEIGHT)),
            setting("allowed_networks", "Exempt networks",
                "Clients in these networks are never looked up. One per line.",
                Kind::Lines(TextKind::Network, limits::EXEMPT_NETWORKS)),
        ]),
        group("blackhole_lists", "The DNS", &[
            TIMEOUT,
            WHEN_UNAVAILABLE,
        ]),
    ],
    lists: &[EntryList {
        path: ZONES,
        label: "Lists",
        hint: "The DNS lists that clients are looked up in.",
        most: limits::BLACKHOLE_ZONES,
        key: "zone",
        groups: &[
            group("", "The list", &[
                setting("zone", "Domain",
                    "The domain of the list, like zen.example: the client 192.0.2.1 is looked up as 1.2.0.192.zen.example.",
                    Kind::Text(TextKind::Domain)),
                setting("weight", "Weight",
                    "How much a listing here counts.",
                    Kind::Number(ValueBounds::new(1, 1_000))),
                setting("answers", "Return codes",
                    "The answers that count, one address or network per line, like 127.0.0.2. Empty: all within 127.0.0.0/8. Answers outside it never count, because a parked domain answers everything; nor does 127.255.255.0/24, which lists use for clients that they do not serve.",
                    Kind::Lines(TextKind::Network, limits::BLACKHOLE_ANSWERS)),
            ]),
        ],
        new: |_| object(&BlackholeZone::default()),
    }],
    settings: |written| &written.blackhole_lists,
};

impl ConditionSettings for BlackholeLists {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled,
            disables_fast_path: self.disables_fast_path,
            // A tag is a header field, of which forged ones are removed.
            needs_content: self.tag_weight.is_some(),
            when_unavailable: self.when_unavailable,
            timeout: Some(Duration::from_secs(self.timeout_seconds)),
        }
    }

    fn validate(&self, _: &Directory, errors: &mut FieldErrors) {
        self.validate_zones(errors);
        if self.enabled && self.refuse_weight.is_none() && self.tag_weight.is_none() {
            let problem = "refuse, tag, or both: otherwise looking up is for nothing";
            errors.add("blackhole_lists.refuse_weight", problem);
        }
        if let (Some(refused), Some(tagged)) = (self.refuse_weight, self.tag_weight)
            && tagged >= refused
        {
            let problem = "must be less than the weight that refuses, or nothing is ever tagged";
            errors.add("blackhole_lists.tag_weight", problem);
        }
    }
}

impl Default for BlackholeZone {
    fn default() -> Self {
        Self {
            zone: String::new(),
            weight: 1,
            answers: Vec::new(),
        }
    }
}

impl BlackholeLists {
    /// Whether clients of this address are never looked up.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        any_has(&self.allowed_networks, address)
    }

    fn validate_zones(&self, errors: &mut FieldErrors) {
        let zones = &self.zones;
        if self.enabled && zones.is_empty() {
            errors.add(ZONES, "there must be one at least while this is on");
        }
        let mut earlier = HashSet::new();
        // Of a list that is too long no more is looked at.
        for zone in zones.iter().take(limits::BLACKHOLE_ZONES) {
            let name = &zone.zone;
            if !earlier.insert(names::compared(name)) {
                errors.add(ZONES, format!("“{name}” stands twice"));
            } else if let Some(problem) = zone.problem() {
                errors.add(ZONES, problem);
            }
        }
    }
}

impl BlackholeZone {
    fn problem(&self) -> Option<String> {
        let zone = &self.zone;
        if zone.starts_with('.') {
            return Some(format!("“{zone}” is not a domain in lower case"));
        }
        if ascii_domain(zone).is_none_or(|zone| zone.len() > limits::BLACKHOLE_ZONE_BYTES) {
            return Some(format!("“{zone}” leaves no room for an address before it"));
        }
        let outside = self.answers.iter().find(|answer| match answer {
            IpNet::V4(answer) => !ANSWERS.contains(answer),
            IpNet::V6(_) => true,
        })?;
        Some(format!(
            "“{zone}” cannot count {outside}: lists answer inside {ANSWERS}"
        ))
    }

    /// Whether an answer of this zone means that the address is listed.
    #[must_use]
    pub fn counts(&self, answer: Ipv4Addr) -> bool {
        let answers = &self.answers;
        ANSWERS.contains(&answer)
            && (answers.is_empty() || answers.iter().any(|one| one.contains(&IpAddr::V4(answer))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::testing::refused;

    fn check(lists: Value, expected: &[(&str, &str)]) {
        let errors = refused(json!({ "blackhole_lists": lists }));
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (field, part) in expected {
            let field = format!("blackhole_lists{field}");
            let message = errors.get(&field).expect("it is noted");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn zones_are_checked() {
        check(json!({"zones": [{"zone": "zen.example"}]}), &[]);
        let answers = json!(["127.0.0.2", "127.0.1.0/24"]);
        let zone = json!({"zone": "zen.example", "weight": 2, "answers": answers});
        check(json!({"enabled": true, "zones": [zone]}), &[]);
        let long = format!("{}example", "a.".repeat(100));
        for (zone, part) in [
            (json!({"zone": ""}), "is not a domain"),
            (json!({"zone": ".zen.example"}), "is not a domain"),
            (json!({"zone": "Zen.example"}), "in lower case"),
            (json!({"zone": long}), "leaves no room"),
            (json!({"zone": "a.example", "weight": 0}), "weight: must be"),
            (
                json!({"zone": "a.example", "weight": 1_001}),
                "weight: must be",
            ),
            (
                json!({"zone": "a.example", "answers": ["192.0.2.1"]}),
                "cannot count 192.0.2.1/32",
            ),
            (
                json!({"zone": "a.example", "answers": ["0.0.0.0/0"]}),
                "inside 127.0.0.0/8",
            ),
            (
                json!({"zone": "a.example", "answers": ["::1"]}),
                "cannot count",
            ),
        ] {
            check(json!({"zones": [zone]}), &[(".zones", part)]);
        }
        let twice = json!([{"zone": "zen.example"}, {"zone": "zen.example"}]);
        check(json!({"zones": twice}), &[(".zones", "stands twice")]);
        let many: Vec<Value> = (0..=limits::BLACKHOLE_ZONES)
            .map(|number| json!({"zone": format!("z{number}.example")}))
            .collect();
        check(json!({"zones": many}), &[(".zones", "at most 20")]);
        check(json!({"enabled": true}), &[(".zones", "one at least")]);
    }

    #[test]
    fn weights_make_sense_together() {
        check(json!({"refuse_weight": 3, "tag_weight": 2}), &[]);
        check(json!({"refuse_weight": null, "tag_weight": 2}), &[]);
        let never = (".tag_weight", "nothing is ever tagged");
        check(json!({"refuse_weight": 2, "tag_weight": 2}), &[never]);
        check(
            json!({"refuse_weight": 0}),
            &[(".refuse_weight", "from 1 to 1,000")],
        );
        let idle =
            json!({"enabled": true, "zones": [{"zone": "zen.example"}], "refuse_weight": null});
        check(idle, &[(".refuse_weight", "for nothing")]);
    }

    #[test]
    fn answers_count_inside_their_networks() {
        let zone = |answers: &[&str]| BlackholeZone {
            answers: answers
                .iter()
                .map(|text| names::read_network(text).expect("a network"))
                .collect(),
            ..BlackholeZone::default()
        };
        for (answers, answer, expected) in [
            (&[][..], "127.0.0.2", true),
            (&[], "127.9.9.9", true),
            (&[], "128.0.0.1", false),
            (&["127.0.0.2", "127.0.1.0/24"], "127.0.0.2", true),
            (&["127.0.0.2", "127.0.1.0/24"], "127.0.1.9", true),
            (&["127.0.0.2", "127.0.1.0/24"], "127.0.0.3", false),
        ] {
            let found = zone(answers).counts(answer.parse().expect("an address"));
            assert_eq!(found, expected, "{answers:?} {answer}");
        }
    }
}
