//! The search form above the trail: what was typed, what it means, and what is wrong with it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::select::SelectOption;
use super::{query_string, wording};
use crate::message::MessageId;
use crate::message::trail::RecipientEvent;
use crate::message::trail_listing::MessageFilter;
use crate::message::words::{DiskReason, OutcomeKind, Path, Storage};

/// What was typed, and where the page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MessageSearch {
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

/// The text fields of the form: names, labels and examples.
pub(super) const TEXTS: [(&str, &str, &str); 4] = [
    ("recipient", "Recipient", "bert@example.net or bert*"),
    ("sender", "Sender", "anna@example.org or <>"),
    ("message_id", "Message id", "13 letters and digits"),
    ("client_address", "Client address", "192.0.2.1"),
];

/// Its fields for times: names and labels.
pub(super) const TIMES: [(&str, &str); 2] = [
    ("since", "Received at or after (UTC)"),
    ("until", "Received before (UTC)"),
];

/// A field of the form with a closed set of words.
pub(super) struct SearchSelect {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) options: Vec<SelectOption>,
}

/// What is wrong, field by field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SearchProblems(BTreeMap<&'static str, String>);

impl SearchProblems {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with a field.
    pub(super) fn at(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Notes what is wrong with a field, if something is.
    fn take<T>(&mut self, name: &'static str, read: Result<Option<T>, String>) -> Option<T> {
        read.unwrap_or_else(|problem| {
            self.0.insert(name, problem);
            None
        })
    }
}

impl MessageSearch {
    /// What is meant, and the message before which the page begins.
    pub(super) fn read(&self) -> Result<(MessageFilter, Option<MessageId>), SearchProblems> {
        let mut problems = SearchProblems::default();
        let is_path = |word: &str| Path::from_word(word).is_some();
        let is_storage = |word: &str| Storage::from_word(word).is_some();
        let filter = MessageFilter {
            sender: problems.take("sender", address(&self.sender)),
            recipient: problems.take("recipient", address(&self.recipient)),
            message_id: problems.take("message_id", message_id(&self.message_id)),
            client_address: problems.take("client_address", client_address(&self.client_address)),
            outcome: problems.take("outcome", word(&self.outcome, is_outcome)),
            path: problems.take("path", word(&self.path, is_path)),
            storage: problems.take("storage", word(&self.storage, is_storage)),
            reason: problems.take("reason", word(&self.reason, is_reason)),
            since: problems.take("since", moment(&self.since)),
            until: problems.take("until", moment(&self.until)),
        };
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && since >= until
        {
            let problem = "This is not later than the beginning.".to_owned();
            problems.0.insert("until", problem);
        }
        // No field of the form: a link that was tampered with begins at the newest.
        let before = self.before.parse().ok();
        match problems.is_empty() {
            true => Ok((filter, before)),
            false => Err(problems),
        }
    }

    /// What was typed, by the names of the fields.
    fn pairs(&self) -> [(&'static str, &str); 10] {
        [
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
        ]
    }

    /// A search was typed.
    pub(super) fn is_searching(&self) -> bool {
        self.pairs().iter().any(|(_, value)| !value.is_empty())
    }

    /// The page with this search, for the messages before `before` or for the newest.
    pub(super) fn url(&self, before: Option<MessageId>) -> String {
        let before = before.map(|id| id.to_string()).unwrap_or_default();
        let mut pairs = self.pairs().to_vec();
        pairs.push(("before", &before));
        query_string::link("/messages", &pairs)
    }

    /// The text in a field.
    pub(super) fn value(&self, name: &str) -> &str {
        let mut pairs = self.pairs().into_iter();
        let pair = pairs.find(|(known, _)| *known == name);
        pair.map_or("", |(_, value)| value)
    }

    /// The same for the browser's field for times.
    pub(super) fn time(&self, name: &str) -> String {
        for_input(self.value(name))
    }

    pub(super) fn selects(&self) -> Vec<SearchSelect> {
        let outcomes = OutcomeKind::ALL.iter().map(|outcome| outcome.as_str());
        let outcomes = outcomes.chain(RecipientEvent::ALL.iter().map(|event| event.as_str()));
        let paths = Path::ALL.iter().map(|path| path.as_str());
        let storages = Storage::ALL.iter().map(|storage| storage.as_str());
        let reasons: Vec<_> = DiskReason::PLAIN.iter().map(DiskReason::as_word).collect();
        let reasons = reasons.iter().map(|word| &**word).chain([ANY_CONDITION]);
        vec![
            select("outcome", "Outcome", &self.outcome, outcomes),
            select("path", "Path", &self.path, paths),
            select("storage", "Storage", &self.storage, storages),
            select("reason", "Reason for disk", &self.reason, reasons),
        ]
    }
}

/// Every condition.
const ANY_CONDITION: &str = "condition:*";

/// A closed set with the word that was chosen, also when it is none of the set: a condition's name.
fn select<'a>(
    name: &'static str,
    label: &'static str,
    chosen: &str,
    words: impl Iterator<Item = &'a str>,
) -> SearchSelect {
    let words = words.map(|word| match word {
        ANY_CONDITION => (word.to_owned(), "any condition".to_owned()),
        word => (word.to_owned(), wording::word(word)),
    });
    SearchSelect {
        name,
        label,
        options: SelectOption::all(words, chosen.trim()),
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
