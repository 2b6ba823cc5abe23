//! One rule of the content filter: what it looks at, and what happens to a message that it matches.

use regex::Regex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{is_field_name, pattern_of};
use crate::limits;
use crate::settings::catalogue::{
    SettingGroup, SettingKind as Kind, TextKind, ValueBounds, group, setting, switchable, value,
};
use crate::smtp::address::Mailbox;

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
    /// otherwise; the address that the message goes to when it redirects.
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
    /// Refused in the session.
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
    pub criterion: RuleCriterion,
    /// What happens to a message that it matches.
    pub consequence: Consequence,
}

/// When a rule matches.
#[derive(Debug)]
pub enum RuleCriterion {
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
    /// All copies go there.
    Redirect(Mailbox),
    /// Nothing, and no later rule is asked.
    Pass,
}

impl RuleCriterion {
    /// It takes the parts of a message to answer it.
    #[must_use]
    pub fn asks_parts(&self) -> bool {
        matches!(
            self,
            Self::Text(_) | Self::AttachmentName(_) | Self::AttachmentType(_)
        )
    }
}

#[rustfmt::skip]
pub(super) const RULE: &[SettingGroup] = &[
    group("", "The rule", &[
        setting("name", "Name",
            "Its name in the trail and on pages, like “no programs”.",
            Kind::Text(TextKind::Any)),
    ]),
    group("", "It matches when", &[
        setting("part", "Part", "", Kind::Choice(&[
            value("header", "One header field", "Its decoded value."),
            value("any_header", "All header fields", "Each as “Name: value”, decoded."),
            value("text", "Text", "Each text part, decoded. HTML with its tags. Text parts of attached messages too."),
            value("attachment_name", "Attachment names", "Decoded."),
            value("attachment_type", "Attachment types", "As declared, like application/zip."),
            value("size", "Size", ""),
        ])),
        setting("header_field", "Header field",
            "Its name, like Subject. Only for the part “One header field”.",
            Kind::Text(TextKind::FieldName)),
        setting("pattern", "Pattern",
            "A regular expression, without regard to case, like \\.(exe|scr)$ or \\binvoice\\b. Not for the part “Size”.",
            Kind::Text(TextKind::Pattern)),
        setting("larger_than_bytes", "Size",
            "Only for the part “Size”.",
            Kind::OrOff(&switchable("larger than", Kind::Size(ValueBounds::ANY), "", "10 MiB"))),
    ]),
    group("", "Then", &[
        setting("action", "Action", "Later rules do not apply.", Kind::Choice(&[
            value("refuse", "Reject (554)", "In the session: the sender knows at once."),
            value("quarantine", "Quarantine", "Accept the message and hold it in the queue until an operator releases or purges it."),
            value("tag", "Tag", "Deliver it with the header field X-Content-Filter."),
            value("redirect", "Redirect", "Deliver it to another address instead of all recipients."),
            value("pass", "Accept", "Deliver it as it is: no later rule can reject it."),
        ])),
        setting("argument", "Argument",
            "Reject: the text of the reply. Tag: the value of the field; empty: the name of the rule. Redirect: the address.",
            Kind::Text(TextKind::Any)),
    ]),
];

impl ContentRule {
    /// The rule as messages are asked about.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow its name.
    pub(super) fn prepared(&self) -> Result<PreparedRule, String> {
        Ok(PreparedRule {
            name: self.name.clone(),
            criterion: self.criterion()?,
            consequence: self.consequence()?,
        })
    }

    fn criterion(&self) -> Result<RuleCriterion, String> {
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
                RuleCriterion::Header(field.to_owned(), pattern()?)
            }
            ContentPart::AnyHeader => RuleCriterion::AnyHeader(pattern()?),
            ContentPart::Text => RuleCriterion::Text(pattern()?),
            ContentPart::AttachmentName => RuleCriterion::AttachmentName(pattern()?),
            ContentPart::AttachmentType => RuleCriterion::AttachmentType(pattern()?),
            ContentPart::Size => {
                let bytes = self.larger_than_bytes;
                RuleCriterion::LargerThan(bytes.ok_or("needs a size")?)
            }
        })
    }

    pub(super) fn consequence(&self) -> Result<Consequence, String> {
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

fn words_problem(text: &str) -> Option<String> {
    let most = limits::CHECK_WORDS_BYTES;
    if text.len() > most {
        return Some(format!("is longer than {most} bytes"));
    }
    let has_control = text.chars().any(char::is_control);
    has_control.then(|| "is not printable".to_owned())
}
