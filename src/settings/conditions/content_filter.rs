//! The settings of the content filter: rules of the administrator's own about header, text, attachments and
//! size of messages.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::content_rule::{ContentRule, PreparedRule, RULE};
use super::rows::{DISABLES_FAST_PATH, ENABLED};
use crate::settings::catalogue::{EntryList, SettingKind as Kind, group, object, setting, value};

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable,
};
use crate::limits;
use crate::settings::FieldErrors;

/// The field of the whole list.
const RULES: &str = "content_filter.rules";

/// Asks the rules, in their order, about each message; the first that matches says what happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContentFilter {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
    /// What happens to a message that cannot be looked into.
    pub when_unavailable: WhenUnavailable,
    /// The rules, in the order in which they are asked.
    pub rules: Vec<ContentRule>,
}

impl Default for ContentFilter {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
            when_unavailable: WhenUnavailable::Defer,
            rules: Vec::new(),
        }
    }
}

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::ContentFilter,
    name: "content_filter",
    title: "Content filter",
    summary: "Asks rules of your own about header, text, attachments and size: refuses, quarantines, tags or redirects what they match.",
    groups: &[
        group("content_filter", "The condition", &[
            ENABLED,
            DISABLES_FAST_PATH,
            setting("when_unavailable", "If a message cannot be examined",
                "It is larger than 32 MiB, has more than 10,000 parts, or takes too long. Rules about the header and the size still apply.",
                Kind::Choice(&[
                    value("defer", "Defer (451)", "The client keeps the message and tries again."),
                    value("pass", "Accept unchecked", "A message that was not examined for lack of time is deferred all the same."),
                ])),
        ]),
    ],
    lists: &[EntryList {
        path: RULES,
        label: "Rules",
        hint: "Asked from the first to the last; the first that matches decides.",
        most: limits::CONTENT_RULES,
        key: "name",
        groups: RULE,
        new: |_| object(&ContentRule::default()),
    }],
    settings: |written| &written.content_filter,
};

impl ConditionSettings for ContentFilter {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled && !self.rules.is_empty(),
            disables_fast_path: self.disables_fast_path,
            needs_content: true,
            when_unavailable: self.when_unavailable,
            timeout: Some(limits::CONTENT_WAIT),
        }
    }

    fn validate(&self, _: &Directory, errors: &mut FieldErrors) {
        let mut earlier = HashSet::new();
        // Of a list that is too long no more is looked at.
        for rule in self.rules.iter().take(limits::CONTENT_RULES) {
            let name = &rule.name;
            if !is_name(name) {
                let most = limits::RULE_NAME_CHARACTERS;
                errors.add(
                    RULES,
                    format!("“{name}” is no name: printable, {most} characters at most"),
                );
            } else if !earlier.insert(name) {
                errors.add(RULES, format!("“{name}” stands twice"));
            } else if let Err(problem) = rule.prepared() {
                errors.add(RULES, format!("“{name}” {problem}"));
            }
        }
    }
}

impl ContentFilter {
    /// Those that hold; a validated list holds as a whole.
    pub(super) fn prepared(&self) -> Arc<[PreparedRule]> {
        let rules = self.rules.iter();
        rules.filter_map(|rule| rule.prepared().ok()).collect()
    }
}

fn is_name(text: &str) -> bool {
    (1..=limits::RULE_NAME_CHARACTERS).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use crate::settings::SettingsDocument;
    use crate::settings::conditions::Consequence;
    use crate::smtp::address::Mailbox;
    use serde_json::{Value, json};

    use super::*;

    fn check(rules: Value, expected: Option<&str>) {
        let filter = json!({"enabled": true, "rules": rules});
        let filter: ContentFilter = serde_json::from_value(filter).expect("it can be read");
        let mut errors = FieldErrors::default();
        let document = SettingsDocument {
            content_filter: filter,
            ..SettingsDocument::default()
        };
        document.validate(&mut errors);
        let found = errors.0.get(RULES).map(String::as_str);
        match expected {
            None => assert_eq!(found, None, "{rules}"),
            Some(part) => {
                let found = found.expect("it does not hold");
                assert!(found.contains(part), "{rules}: {found}");
            }
        }
    }

    /// A rule that holds, with changes.
    fn rule(changes: Value) -> Value {
        let mut rule = json!({"name": "no programs", "part": "attachment_name", "pattern": "exe$"});
        for (field, value) in changes.as_object().expect("an object") {
            rule[field] = value.clone();
        }
        rule
    }

    #[test]
    fn rules_are_checked_and_named() {
        check(json!([]), None);
        check(json!([rule(json!({}))]), None);
        for (changes, part) in [
            (json!({"name": ""}), "“” is no name"),
            (json!({"name": " a"}), "is no name"),
            (json!({"name": "a\nb"}), "is no name"),
            (json!({"name": "a".repeat(61)}), "is no name"),
            (json!({"pattern": null}), "“no programs” needs a pattern"),
            (json!({"pattern": ""}), "needs a pattern"),
            (
                json!({"pattern": "("}),
                "“no programs” has a pattern that is no regular expression",
            ),
            (json!({"pattern": "(a{1000}){1000}"}), "too large"),
            (json!({"part": "header"}), "the name of a header field"),
            (
                json!({"part": "header", "header_field": "a b"}),
                "asks for “a b”",
            ),
            (json!({"part": "size"}), "needs a size"),
            (
                json!({"action": "refuse", "argument": "a\r\nb"}),
                "not printable",
            ),
            (
                json!({"action": "refuse", "argument": "Straße"}),
                "not all ASCII",
            ),
            (
                json!({"action": "tag", "argument": "a".repeat(201)}),
                "longer than 200 bytes",
            ),
            (json!({"action": "redirect"}), "needs the address"),
            (
                json!({"action": "redirect", "argument": "nobody"}),
                "redirects to “nobody”",
            ),
        ] {
            check(json!([rule(changes)]), Some(part));
        }
        check(
            json!([rule(json!({})), rule(json!({}))]),
            Some("stands twice"),
        );
        let many: Vec<Value> = (0..=limits::CONTENT_RULES)
            .map(|number| rule(json!({"name": number.to_string()})))
            .collect();
        check(json!(many), Some("at most 200"));
    }

    #[test]
    fn what_is_left_blank_has_its_default() {
        let consequence = |changes: Value| {
            let rule: ContentRule = serde_json::from_value(rule(changes)).expect("a rule");
            rule.consequence().expect("it holds")
        };
        for (changes, expected) in [
            (
                json!({}),
                Consequence::Refuse("Refused because of its content".into()),
            ),
            (
                json!({"argument": " No programs here. "}),
                Consequence::Refuse("No programs here.".into()),
            ),
            (
                json!({"action": "tag"}),
                Consequence::Tag("no programs".into()),
            ),
            (json!({"action": "pass"}), Consequence::Pass),
            (
                json!({"action": "redirect", "argument": "abuse@example.net"}),
                Consequence::Redirect(Mailbox::parse("abuse@example.net").expect("a mailbox")),
            ),
        ] {
            assert_eq!(consequence(changes.clone()), expected, "{changes}");
        }
    }
}
