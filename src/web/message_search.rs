//! The search form above the trail: what was typed, what it means, and what is wrong with it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{query_string, wording};
use crate::message::MessageId;
use crate::message::trail::RecipientEvent;
use crate::message::words::{DiskReason, OutcomeKind, Path, Storage};
use crate::store::MessageFilter;

/// What was typed, and where the page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Search {
    pub(super) sender: String,
    pub(super) recipient: String,
    pub(super) message_id: String,
    pub(super) client_address: String,
    pub(super) outcome: String,
    pub(super) path: String,
    pub(super) storage: String,
    pub(super) reason: String,
    pub(super) since: String,
    pub(super) until: String,
    /// The page shows messages with smaller ids.
    pub(super) before: String,
}

/// A text field of the form.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) example: &'static str,
    pub(super) problem: Option<String>,
}

/// A field of the form with a closed set of words.
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) words: Vec<ChoiceWord>,
    pub(super) problem: Option<String>,
}

pub(super) struct ChoiceWord {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

/// What is wrong, field by field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Problems(BTreeMap<&'static str, String>);

impl Problems {
    /// Puts each message to its field.
    pub(super) fn tell(self, texts: &mut [Field], choices: &mut [Choice], times: &mut [Field]) {
        for field in texts.iter_mut().chain(times) {
            field.problem = self.0.get(field.name).cloned();
        }
        for choice in choices {
            choice.problem = self.0.get(choice.name).cloned();
        }
    }

    /// Notes what is wrong with a field, if something is.
    fn take<T>(&mut self, name: &'static str, read: Result<T, String>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(problem) => {
                self.0.insert(name, problem);
                None
            }
        }
    }
}

impl Search {
    /// What is meant, and the message before which the page begins.
    pub(super) fn read(&self) -> Result<(MessageFilter, Option<MessageId>), Problems> {
        let mut problems = Problems::default();
        let mut filter = MessageFilter::default();
        for (name, text, part) in [
            ("sender", &self.sender, &mut filter.sender),
            ("recipient", &self.recipient, &mut filter.recipient),
        ] {
            *part = problems.take(name, address(text)).flatten();
        }
        for (name, text, known, part) in [
            (
                "outcome",
                &self.outcome,
                is_outcome as fn(&str) -> bool,
                &mut filter.outcome,
            ),
            (
                "path",
                &self.path,
                |word| Path::from_word(word).is_some(),
                &mut filter.path,
            ),
            (
                "storage",
                &self.storage,
                |word| Storage::from_word(word).is_some(),
                &mut filter.storage,
            ),
            ("reason", &self.reason, is_reason, &mut filter.reason),
        ] {
            *part = problems.take(name, word(text, known)).flatten();
        }
        filter.message_id = problems
            .take("message_id", message_id(&self.message_id))
            .flatten();
        let client = problems.take("client_address", client_address(&self.client_address));
        filter.client_address = client.flatten();
        filter.since = problems.take("since", moment(&self.since)).flatten();
        filter.until = problems.take("until", moment(&self.until)).flatten();
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && since >= until
        {
            let problem = "This is not later than the beginning.".to_owned();
            problems.take::<()>("until", Err(problem));
        }
        // No field of the form: a link that was tampered with begins at the newest.
        let before = self.before.parse().ok();
        if problems.0.is_empty() {
            Ok((filter, before))
        } else {
            Err(problems)
        }
    }

    /// Something is asked for.
    pub(super) fn is_searching(&self) -> bool {
        let nothing = Self {
            before: self.before.clone(),
            ..Self::default()
        };
        *self != nothing
    }

    /// The page with this search, for the messages before `before` or for the newest.
    pub(super) fn url(&self, before: Option<MessageId>) -> String {
        let before = before.map(|id| id.to_string()).unwrap_or_default();
        let pairs = [
            ("sender", &self.sender),
            ("recipient", &self.recipient),
            ("message_id", &self.message_id),
            ("client_address", &self.client_address),
            ("outcome", &self.outcome),
            ("path", &self.path),
            ("storage", &self.storage),
            ("reason", &self.reason),
            ("since", &self.since),
            ("until", &self.until),
            ("before", &before),
        ];
        query_string::link(
            "/messages",
            &pairs.map(|(name, value)| (name, value.as_str())),
        )
    }

    pub(super) fn texts(&self) -> Vec<Field> {
        [
            (
                "recipient",
                "Recipient",
                &self.recipient,
                "bert@example.net or bert*",
            ),
            ("sender", "Sender", &self.sender, "anna@example.org or <>"),
            (
                "message_id",
                "Message id",
                &self.message_id,
                "13 letters and digits",
            ),
            (
                "client_address",
                "Client address",
                &self.client_address,
                "192.0.2.1",
            ),
        ]
        .map(|(name, label, value, example)| field(name, label, value.clone(), example))
        .into()
    }

    pub(super) fn times(&self) -> Vec<Field> {
        [
            ("since", "Received at or after (UTC)", &self.since),
            ("until", "Received before (UTC)", &self.until),
        ]
        .map(|(name, label, typed)| field(name, label, for_input(typed), ""))
        .into()
    }

    pub(super) fn choices(&self) -> Vec<Choice> {
        let outcomes = OutcomeKind::ALL.iter().map(|outcome| outcome.as_str());
        let events = RecipientEvent::ALL.iter().map(|event| event.as_str());
        let reasons = DiskReason::PLAIN
            .iter()
            .map(|reason| reason.as_word().into_owned());
        let paths = Path::ALL.iter().map(|path| path.as_str());
        let storages = Storage::ALL.iter().map(|storage| storage.as_str());
        vec![
            choice(
                "outcome",
                "Outcome",
                &self.outcome,
                outcomes.chain(events).map(str::to_owned),
            ),
            choice("path", "Path", &self.path, paths.map(str::to_owned)),
            choice(
                "storage",
                "Storage",
                &self.storage,
                storages.map(str::to_owned),
            ),
            choice(
                "reason",
                "Reason for disk",
                &self.reason,
                reasons.chain([ANY_CONDITION.to_owned()]),
            ),
        ]
    }
}

/// Every condition.
const ANY_CONDITION: &str = "condition:*";

fn field(name: &'static str, label: &'static str, value: String, example: &'static str) -> Field {
    Field {
        name,
        label,
        value,
        example,
        problem: None,
    }
}

/// A closed set with the word that was chosen, also when it is none of the set: a condition's name.
fn choice(
    name: &'static str,
    label: &'static str,
    chosen: &str,
    words: impl Iterator<Item = String>,
) -> Choice {
    let chosen = chosen.trim();
    let mut words: Vec<String> = words.collect();
    if !chosen.is_empty() && !words.iter().any(|word| word == chosen) {
        words.push(chosen.to_owned());
    }
    let word = |value: String| ChoiceWord {
        label: match value.as_str() {
            ANY_CONDITION => "any condition".to_owned(),
            word => wording::word(word),
        },
        is_chosen: value == chosen,
        value,
    };
    Choice {
        name,
        label,
        words: words.into_iter().map(word).collect(),
        problem: None,
    }
}

/// A text without blanks around it; none when nothing is left.
fn typed(text: &str) -> Result<Option<&str>, String> {
    let typed = Some(text.trim()).filter(|text| !text.is_empty());
    if typed.unwrap_or(text).chars().any(char::is_control) {
        return Err("This has a control character.".to_owned());
    }
    Ok(typed)
}

fn address(text: &str) -> Result<Option<String>, String> {
    let Some(text) = typed(text)? else {
        return Ok(None);
    };
    if text.strip_suffix('*').unwrap_or(text).contains('*') {
        return Err("A * can stand at the end only: “anna@*”, not “*@example.org”.".to_owned());
    }
    Ok(Some(text.to_owned()))
}

fn word(text: &str, is_known: fn(&str) -> bool) -> Result<Option<String>, String> {
    match typed(text)? {
        None => Ok(None),
        Some(text) if is_known(text) => Ok(Some(text.to_owned())),
        Some(text) => Err(format!("“{text}” is none of these.")),
    }
}

fn is_outcome(word: &str) -> bool {
    OutcomeKind::from_word(word).is_some() || RecipientEvent::from_word(word).is_some()
}

fn is_reason(word: &str) -> bool {
    word == ANY_CONDITION || DiskReason::from_word(word).is_some()
}

fn message_id(text: &str) -> Result<Option<MessageId>, String> {
    let read = typed(text)?.map(|text| text.parse());
    read.transpose()
        .map_err(|_| "A message id has 13 letters and digits.".to_owned())
}

/// In the form in which the trail holds it.
fn client_address(text: &str) -> Result<Option<String>, String> {
    let read = typed(text)?.map(|text| text.parse::<IpAddr>());
    let address = read
        .transpose()
        .map_err(|_| "This is not an IP address.".to_owned())?;
    Ok(address.map(|address| address.to_canonical().to_string()))
}

/// What a browser's field for date and time sends, in UTC; or a time with its zone, as the API has it.
fn moment(text: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = typed(text)? else {
        return Ok(None);
    };
    if let Ok(time) = text.parse() {
        return Ok(Some(time));
    }
    let civil = text.parse::<DateTime>();
    let zoned = civil.and_then(|civil| civil.to_zoned(TimeZone::UTC));
    match zoned {
        Ok(zoned) => Ok(Some(zoned.timestamp())),
        Err(_) => Err("This is not a date with a time.".to_owned()),
    }
}

/// As the browser's field takes it; what cannot be read stays as it was typed.
fn for_input(text: &str) -> String {
    match moment(text) {
        Ok(Some(time)) => time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
#[path = "message_search_tests.rs"]
mod tests;
