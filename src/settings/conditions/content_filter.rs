//! The settings of the content filter: rules of the administrator's own over a message's header, text,
//! attachments and size.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ConditionDescription, ConditionKind, ConditionSettings, Directory, WhenUnavailable,
    is_field_name, pattern_of,
};
use crate::limits;
use crate::settings::FieldErrors;
use crate::smtp::address::Mailbox;

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

/// One rule of the content filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContentRule {
    /// What trail and pages call it.
    pub name: String,
    /// What it looks at.
    pub part: ContentPart,
    /// The field it looks at, when that is one field of the header.
    pub header_field: Option<String>,
    /// It matches where this regular expression does, whatever the case of letters. Needed for
    /// everything but the size.
    pub pattern: Option<String>,
    /// It matches messages of more bytes. Needed for the size.
    pub larger_than_bytes: Option<u64>,
    /// What happens to a message that it matches.
    pub action: ContentAction,
    /// The words of the reply when it refuses; the value of X-Content-Filter when it tags, its name
    /// otherwise; the address that everybody's copy goes to when it redirects.
    pub argument: Option<String>,
}

/// What a rule of the content filter looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContentPart {
    /// The value of each header field of one name, decoded.
    #[default]
    Header,
    /// Each header field, as `Name: value`, decoded.
    AnyHeader,
    /// Each part of text, decoded; of HTML with its tags.
    Text,
    /// The name of each attachment, decoded.
    AttachmentName,
    /// The type of each attachment, like `application/zip`.
    AttachmentType,
    /// The size of the whole message.
    Size,
}

/// What a rule of the content filter does with a message that it matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContentAction {
    /// Refused in the session: the sender is told.
    #[default]
    Refuse,
    /// Taken, and kept back in the queue until an operator decides.
    Quarantine,
    /// Delivered with the header field X-Content-Filter.
    Tag,
    /// Delivered to another address in the place of all recipients.
    Redirect,
    /// Delivered as it is: no later rule is asked.
    Pass,
}

/// A rule as messages are asked about.
#[derive(Debug)]
pub struct PreparedRule {
    /// What trail and pages call it.
    pub name: String,
    /// When it matches.
    pub question: Question,
    /// What happens to a message that it matches.
    pub consequence: Consequence,
}

/// When a rule matches.
#[derive(Debug)]
pub enum Question {
    /// A header field of this name has such a value.
    Header(String, Regex),
    /// A header field is such.
    AnyHeader(Regex),
    /// Such a text occurs.
    Text(Regex),
    /// An attachment has such a name.
    AttachmentName(Regex),
    /// An attachment has such a type.
    AttachmentType(Regex),
    /// It has more bytes than this.
    LargerThan(u64),
}

/// What happens to a message that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It is refused with these words.
    Refuse(String),
    /// It is kept back.
    Quarantine,
    /// It gets a field with this value.
    Tag(String),
    /// Everybody's copy goes there.
    Redirect(Mailbox),
    /// Nothing, and no later rule is asked.
    Pass,
}

impl Question {
    /// It takes the parts of a message to answer it.
    #[must_use]
    pub fn asks_parts(&self) -> bool {
        matches!(
            self,
            Self::Text(_) | Self::AttachmentName(_) | Self::AttachmentType(_)
        )
    }
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

pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::ContentFilter,
    name: "content_filter",
    title: "Content filter",
    summary: "Asks rules of your own about header, text, attachments and size: refuses, quarantines, tags or redirects what they match.",
    settings: |written| &written.content_filter,
};

impl ConditionSettings for ContentFilter {
    fn is_on(&self) -> bool {
        self.enabled
    }

    fn disables_fast_path(&self) -> bool {
        self.disables_fast_path
    }

    fn needs_content(&self) -> bool {
        true
    }

    fn when_unavailable(&self) -> WhenUnavailable {
        self.when_unavailable
    }

    fn timeout(&self, _: &Directory) -> Option<Duration> {
        Some(limits::CONTENT_WAIT)
    }

    fn validate(&self, _: &Directory, errors: &mut FieldErrors) {
        if self.rules.len() > limits::CONTENT_RULES {
            let most = limits::CONTENT_RULES;
            errors.add(RULES, format!("there can be at most {most}"));
            return;
        }
        let mut earlier = HashSet::new();
        for rule in &self.rules {
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

    fn concerns_any(&self) -> bool {
        self.enabled && !self.rules.is_empty()
    }
}

impl ContentFilter {
    /// Those that hold; a validated list holds as a whole.
    pub(super) fn prepared(&self) -> Arc<[PreparedRule]> {
        let rules = self.rules.iter();
        rules.filter_map(|rule| rule.prepared().ok()).collect()
    }
}

impl ContentRule {
    /// The rule as messages are asked about.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow its name.
    fn prepared(&self) -> Result<PreparedRule, String> {
        Ok(PreparedRule {
            name: self.name.clone(),
            question: self.question()?,
            consequence: self.consequence()?,
        })
    }

    fn question(&self) -> Result<Question, String> {
        let pattern = || {
            let pattern = self.pattern.as_deref().filter(|text| !text.is_empty());
            let pattern = pattern.ok_or("needs a pattern")?;
            pattern_of(pattern).map_err(|problem| format!("has a pattern that {problem}"))
        };
        Ok(match self.part {
            ContentPart::Header => {
                let field = self.header_field.as_deref().unwrap_or_default();
                if field.is_empty() {
                    return Err("needs the name of a header field".to_owned());
                }
                if !is_field_name(field) {
                    let problem = "which is no name of a header field";
                    return Err(format!("asks for “{field}”, {problem}"));
                }
                Question::Header(field.to_owned(), pattern()?)
            }
            ContentPart::AnyHeader => Question::AnyHeader(pattern()?),
            ContentPart::Text => Question::Text(pattern()?),
            ContentPart::AttachmentName => Question::AttachmentName(pattern()?),
            ContentPart::AttachmentType => Question::AttachmentType(pattern()?),
            ContentPart::Size => {
                let bytes = self.larger_than_bytes;
                Question::LargerThan(bytes.ok_or("needs a size")?)
            }
        })
    }

    fn consequence(&self) -> Result<Consequence, String> {
        let argument = self.argument.as_deref().map(str::trim).unwrap_or_default();
        if !matches!(self.action, ContentAction::Quarantine | ContentAction::Pass)
            && let Some(problem) = words_problem(argument)
        {
            return Err(format!("has an argument that {problem}"));
        }
        let given = (!argument.is_empty()).then_some(argument);
        Ok(match self.action {
            ContentAction::Refuse => {
                let words = given.unwrap_or("Refused because of its content");
                // RFC 5321 §4.2: the words of a reply are ASCII.
                if !words.is_ascii() {
                    return Err("refuses with words that are not all ASCII".to_owned());
                }
                Consequence::Refuse(words.to_owned())
            }
            ContentAction::Quarantine => Consequence::Quarantine,
            ContentAction::Tag => Consequence::Tag(given.unwrap_or(&self.name).to_owned()),
            ContentAction::Redirect => {
                let address = given.ok_or("needs the address that it redirects to")?;
                let mailbox = Mailbox::parse(address);
                let problem = |_| format!("redirects to “{address}”, which is no address");
                Consequence::Redirect(mailbox.map_err(problem)?)
            }
            ContentAction::Pass => Consequence::Pass,
        })
    }
}

fn is_name(text: &str) -> bool {
    (1..=limits::RULE_NAME_CHARACTERS).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

fn words_problem(text: &str) -> Option<String> {
    let most = limits::CHECK_WORDS_BYTES;
    if text.len() > most {
        return Some(format!("is longer than {most} bytes"));
    }
    let has_control = text.chars().any(char::is_control);
    has_control.then(|| "is not printable".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(rules: Value, expected: Option<&str>) {
        let filter = json!({"enabled": true, "rules": rules});
        let filter: ContentFilter = serde_json::from_value(filter).expect("it can be read");
        let mut errors = FieldErrors::default();
        filter.validate(&Directory::default(), &mut errors);
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
