//! Conditions of the administrator's own: what is known of a message sends it down the standard path.

use std::collections::HashSet;

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::settings::catalogue::{
    EntryList, SettingKind as Kind, TextKind, ValueBounds, group, object, setting, switchable,
    value,
};

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable, built_in,
};
use crate::limits;
use crate::settings::FieldErrors;
use crate::settings::names;

/// The field of the whole list.
const FIELD: &str = "own_conditions";

/// Present when all of its parts hold. It only chooses the path: a rule of the content filter
/// can refuse a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OwnCondition {
    /// What reasons, trail and pages call it: small letters, digits, `-` and `_`.
    pub name: String,
    /// It has more recipients than this.
    pub recipients_more_than: Option<u64>,
    /// MAIL declared more bytes than this, or more have come.
    pub larger_than_bytes: Option<u64>,
    /// Its client is in one of these networks; empty: any.
    #[serde(deserialize_with = "names::networks")]
    #[schema(value_type = Vec<String>, examples(json!(["192.0.2.0/24"])))]
    pub client_networks: Vec<IpNet>,
    /// Its reverse path matches this regular expression, whatever the case of letters.
    pub sender_pattern: Option<String>,
    /// One of its recipients matches this regular expression, whatever the case of letters.
    pub recipient_pattern: Option<String>,
    /// It has a header field of this name.
    pub header_field: Option<String>,
    /// Which way it leads.
    pub leads_to: LeadsTo,
}

/// Which way a condition of the administrator's own leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeadsTo {
    /// The standard path (Figure 4).
    #[default]
    StandardPath,
    /// Cut-through (Figure 5), where the other conditions can do without the content.
    CutThrough,
}

/// An own condition with its patterns ready.
#[derive(Debug)]
pub struct PreparedOwn {
    /// As it is written.
    pub written: OwnCondition,
    /// See [`OwnCondition::sender_pattern`].
    pub sender: Option<Regex>,
    /// See [`OwnCondition::recipient_pattern`].
    pub recipient: Option<Regex>,
}

/// All of them. Those that lead to cut-through are never present in a message.
#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::Own,
    name: FIELD,
    title: "Conditions of your own",
    summary: "Go by recipients, size, client, address patterns and header fields: a message that all parts of one hold for takes the path that it leads to.",
    groups: &[],
    lists: &[EntryList {
        path: FIELD,
        label: "Conditions of your own",
        hint: "They choose the path of messages by what is known of them, and refuse nothing.",
        most: limits::OWN_CONDITIONS,
        key: "name",
        groups: &[
            group("", "The condition", &[
                setting("name", "Name",
                    "Its name in the trail and on pages, like many-recipients: lower-case letters, digits, “-” and “_”.",
                    Kind::Text(TextKind::Any)),
            ]),
            group("", "Present when all of these hold", &[
                setting("recipients_more_than", "Recipients", "",
                    Kind::OrOff(&switchable("more than", Kind::Number(ValueBounds::ANY), "recipients", "10"))),
                setting("larger_than_bytes", "Size",
                    "As declared with SIZE, or as received.",
                    Kind::OrOff(&switchable("larger than", Kind::Size(ValueBounds::ANY), "", "1 MiB"))),
                setting("client_networks", "Client networks",
                    "The client is in one of these networks. One per line. Empty: any.",
                    Kind::Lines(TextKind::Network, limits::OWN_CONDITION_NETWORKS)),
                setting("sender_pattern", "Sender pattern",
                    "A regular expression that the reverse path matches, like @example\\.org$. Empty: any.",
                    Kind::Text(TextKind::Pattern)),
                setting("recipient_pattern", "Recipient pattern",
                    "A regular expression that one of the recipients matches. Empty: any.",
                    Kind::Text(TextKind::Pattern)),
                setting("header_field", "Header field",
                    "The message has a header field of this name, like List-Id. Empty: any header.",
                    Kind::Text(TextKind::FieldName)),
            ]),
            group("", "Action", &[
                setting("leads_to", "Path", "", Kind::Choice(&[
                    value("standard_path", "Standard path", "The message is stored durably before the reply."),
                    value("cut_through", "Cut-through", "The content is passed on as it comes. Decided at the first recipient, by the declared size, the client, the sender and that recipient."),
                ])),
            ]),
        ],
        new: |_| object(&OwnCondition::default()),
    }],
    settings: |written| &written.own_conditions,
};

impl ConditionSettings for Vec<OwnCondition> {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: !self.is_empty(),
            concerns_any: self.iter().any(|own| own.leads_to == LeadsTo::StandardPath),
            disables_fast_path: true,
            needs_content: self.iter().any(OwnCondition::needs_content),
            when_unavailable: WhenUnavailable::Defer,
            timeout: None,
        }
    }

    fn validate(&self, _: &Directory, errors: &mut FieldErrors) {
        let mut earlier = HashSet::new();
        // Of a list that is too long no more is looked at.
        for condition in self.iter().take(limits::OWN_CONDITIONS) {
            let name = &condition.name;
            if !is_name(name) {
                errors.add(
                    FIELD,
                    format!("“{name}” is no name: small letters, digits, “-” and “_”, 40 at most"),
                );
            } else if built_in().any(|other| other.name == name) {
                errors.add(FIELD, format!("“{name}” is the name of another condition"));
            } else if !earlier.insert(name) {
                errors.add(FIELD, format!("“{name}” stands twice"));
            } else if let Some(problem) = condition.problem() {
                errors.add(FIELD, format!("“{name}” {problem}"));
            }
        }
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn name_at(&self, position: usize) -> Option<&str> {
        self.get(position).map(|own| own.name.as_str())
    }
}

impl OwnCondition {
    /// What is declared need not be what comes.
    #[must_use]
    pub fn needs_content(&self) -> bool {
        self.leads_to == LeadsTo::StandardPath
            && (self.header_field.is_some() || self.larger_than_bytes.is_some())
    }

    fn is_blank(&self) -> bool {
        let Self {
            name: _,
            recipients_more_than,
            larger_than_bytes,
            client_networks,
            sender_pattern,
            recipient_pattern,
            header_field,
            leads_to: _,
        } = self;
        recipients_more_than.is_none()
            && larger_than_bytes.is_none()
            && client_networks.is_empty()
            && sender_pattern.is_none()
            && recipient_pattern.is_none()
            && header_field.is_none()
    }

    /// What is wrong with it, in words that follow its name.
    fn problem(&self) -> Option<String> {
        if self.is_blank() {
            return Some("needs something that it looks at".to_owned());
        }
        for (part, pattern) in [
            ("sender", &self.sender_pattern),
            ("recipient", &self.recipient_pattern),
        ] {
            if let Some(Err(problem)) = pattern.as_deref().map(pattern_of) {
                return Some(format!("has a {part} pattern that {problem}"));
            }
        }
        if self.leads_to == LeadsTo::CutThrough {
            // Its way is chosen at the first recipient.
            if self.header_field.is_some() {
                return Some("leads to cut-through, where no header is known yet".to_owned());
            }
            if self.recipients_more_than.is_some() {
                let why = "leads to cut-through, which is chosen before recipients are counted";
                return Some(why.to_owned());
            }
        }
        let field = self.header_field.as_deref()?;
        (!is_field_name(field))
            .then(|| format!("asks for “{field}”, which is no name of a header field"))
    }
}

/// A regular expression over addresses or texts; its time is linear in what it looks at.
///
/// # Errors
/// What is wrong with it, in words that follow “that”.
pub fn pattern_of(text: &str) -> Result<Regex, String> {
    if text.len() > limits::PATTERN_BYTES {
        let most = limits::PATTERN_BYTES;
        return Err(format!("is longer than {most} bytes"));
    }
    RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(limits::PATTERN_COMPILED_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "is too large".to_owned(),
            error => format!(
                "is no regular expression: {}",
                last_line(&error.to_string())
            ),
        })
}

/// The parser draws where the error is; its last line says what it is.
fn last_line(text: &str) -> &str {
    let line = text.lines().last().unwrap_or(text);
    line.strip_prefix("error: ").unwrap_or(line)
}

/// RFC 5322 §3.6.8.
#[must_use]
pub fn is_field_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= limits::FIELD_NAME_BYTES
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':')
}

fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

/// Those that hold; a validated list holds as a whole.
pub(super) fn prepare(conditions: &[OwnCondition]) -> Vec<PreparedOwn> {
    let pattern = |text: &Option<String>| text.as_deref().and_then(|text| pattern_of(text).ok());
    conditions
        .iter()
        .map(|written| PreparedOwn {
            sender: pattern(&written.sender_pattern),
            recipient: pattern(&written.recipient_pattern),
            written: written.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsDocument;

    fn check(conditions: &[OwnCondition], expected: Option<&str>) {
        let mut errors = FieldErrors::default();
        let document = SettingsDocument {
            own_conditions: conditions.to_vec(),
            ..SettingsDocument::default()
        };
        document.validate(&mut errors);
        let found = errors.0.get(FIELD).map(String::as_str);
        match expected {
            None => assert_eq!(found, None),
            Some(part) => {
                let found = found.expect("it does not hold");
                assert!(found.contains(part), "{found}");
            }
        }
    }

    fn named(name: &str) -> OwnCondition {
        OwnCondition {
            name: name.into(),
            recipients_more_than: Some(5),
            ..OwnCondition::default()
        }
    }

    #[test]
    fn own_conditions_are_checked() {
        check(&[named("many-recipients"), named("large_2")], None);
        check(&[named("")], Some("is no name"));
        check(&[named("A")], Some("is no name"));
        check(&[named("a,b")], Some("is no name"));
        check(&[named("antivirus")], Some("another condition"));
        check(&[named("a"), named("a")], Some("stands twice"));
        let nothing = OwnCondition {
            name: "nothing".into(),
            ..OwnCondition::default()
        };
        check(&[nothing], Some("needs something"));
        for (pattern, part) in [
            ("(", "sender pattern that is no regular expression"),
            ("(a{1000}){1000}", "too large"),
            (&"a".repeat(limits::PATTERN_BYTES + 1), "longer than"),
        ] {
            let condition = OwnCondition {
                sender_pattern: Some(pattern.to_owned()),
                ..named("pattern")
            };
            check(&[condition], Some(part));
        }
        for field in ["", "X Spam", "X:", "Ä"] {
            let condition = OwnCondition {
                header_field: Some(field.to_owned()),
                ..named("header")
            };
            check(&[condition], Some("no name of a header field"));
        }
        let many: Vec<OwnCondition> = (0..=limits::OWN_CONDITIONS)
            .map(|number| named(&format!("n{number}")))
            .collect();
        check(&many, Some("at most"));
    }
}
