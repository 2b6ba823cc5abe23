//! The trail as it is read: what was asked for, and what was found.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{IntoParams, ToSchema};

use super::MessageId;
use super::search_text::plain;
use crate::limits;

/// Which messages of the trail are meant. Every part narrows. Sender and recipient match as a whole,
/// or from the beginning when they end in `*`, and ignore the case of ASCII letters. No text has control
/// characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct MessageFilter {
    /// From such a sender; `<>` is the null path.
    #[serde(deserialize_with = "text")]
    pub sender: Option<String>,
    /// For such a recipient.
    #[serde(deserialize_with = "text")]
    pub recipient: Option<String>,
    /// This one message.
    #[serde(deserialize_with = "parsed")]
    pub message_id: Option<MessageId>,
    /// Brought by this address.
    #[serde(deserialize_with = "text")]
    pub client_address: Option<String>,
    /// With such an event for one of its recipients (the one asked for, if one is): `delivered`,
    /// `deferred`, `refused`, `uncertain`, or what was done: `queued`, `held` …
    #[serde(deserialize_with = "text")]
    pub outcome: Option<String>,
    /// That took this path.
    #[serde(deserialize_with = "text")]
    pub path: Option<String>,
    /// That were there when they were answered.
    #[serde(deserialize_with = "text")]
    pub storage: Option<String>,
    /// That touched disk for this reason; `condition:*` is every condition.
    #[serde(deserialize_with = "text")]
    pub reason: Option<String>,
    /// That arrived then or later.
    #[serde(deserialize_with = "parsed")]
    pub since: Option<Timestamp>,
    /// That arrived before.
    #[serde(deserialize_with = "parsed")]
    pub until: Option<Timestamp>,
}

/// A part of the trail, the newest messages first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct MessagesPage {
    /// The messages that were found.
    pub items: Vec<MessageItem>,
    /// Where the next page goes on; none when the trail ends here. A page may hold few messages, or
    /// none, and still have a next one: a rare thing is looked for piece by piece.
    pub next: Option<MessageId>,
}

/// One message of a listing.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MessageItem {
    /// How it was answered.
    #[serde(flatten)]
    pub answered: AnsweredRow,
    /// The last event of each recipient, of the first [`crate::limits::TRAIL_RECIPIENTS_SHOWN`].
    pub latest: Vec<LatestEvent>,
}

/// How a message was answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AnsweredRow {
    /// Our id.
    pub message_id: MessageId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The reverse path, empty for the null path.
    pub sender: String,
    /// The address that brought it; none for our own.
    pub client_address: Option<String>,
    /// What that called itself.
    pub helo: String,
    /// The login it had authenticated as.
    pub login: Option<String>,
    /// How many recipients it had.
    pub recipients: u64,
    /// Bytes of content.
    pub size_bytes: u64,
    /// The way it took.
    pub path: String,
    /// Where it was when it was answered.
    pub storage: String,
    /// Why it touched disk, first reason first.
    pub reasons: Vec<String>,
    /// The reply's code.
    pub code: u16,
    /// The reply's text.
    pub reply: String,
    /// From the end of data to the reply.
    pub acknowledged_seconds: f64,
    /// What the conditions said of it; empty when none was present.
    pub examined: String,
}

/// What happened last for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LatestEvent {
    /// Whom it concerns.
    pub recipient: String,
    /// An outcome, or what was done.
    pub what: String,
    /// When.
    pub at: Timestamp,
    /// The next hop's reply, or a reason.
    pub words: String,
}

/// Which recipients of a message are meant; all of them unless said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct StoryFilter {
    /// This one, or those that begin so when it ends in `*`; the case of ASCII letters is ignored.
    #[serde(deserialize_with = "text")]
    pub recipient: Option<String>,
}

impl StoryFilter {
    /// Whether this recipient is one of them.
    #[must_use]
    pub fn means(&self, recipient: &str) -> bool {
        let wanted = self.recipient.as_ref();
        wanted.is_none_or(|wanted| is_like(recipient, wanted))
    }
}

/// `address` is what was asked for, or begins with it when that ends in `*`, without the case of ASCII
/// letters: as searches compare.
#[must_use]
pub fn is_like(address: &str, wanted: &str) -> bool {
    let (address, wanted) = (address.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    match wanted.strip_suffix('*') {
        Some(beginning) => address.starts_with(beginning),
        None => address == wanted,
    }
}

/// Which recipients of a message are told of, in the order of their addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryPart {
    /// Those that are meant.
    pub filter: StoryFilter,
    /// Recipients before the page.
    pub offset: u64,
    /// Recipients of the page, at most [`limits::PAGE_ITEMS`].
    pub limit: u32,
}

impl Default for StoryPart {
    fn default() -> Self {
        Self {
            filter: StoryFilter::default(),
            offset: 0,
            limit: limits::PAGE_ITEMS,
        }
    }
}

/// The history of one message, told of some of its recipients.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TrailOfMessage {
    /// How it was answered; none for a report of our own, for what a condition made of another message,
    /// and for what was pruned.
    pub answered: Option<AnsweredRow>,
    /// Recipients that are meant, on all pages.
    pub total: u64,
    /// What happened last, and to how many of all its recipients.
    pub ends: BTreeMap<String, u64>,
    /// What happened to the recipients of this page since: in the order of their addresses, and to each
    /// in the order of time. The newest events only: 500 of one recipient, 2,000 of a page.
    pub events: Vec<TrailEvent>,
    /// Recipients of this page that have earlier events, too. Asked for alone more is told of them.
    pub shortened: Vec<String>,
}

/// What happened to one recipient of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecipientStory {
    /// The newest events, in the order of time.
    pub events: Vec<TrailEvent>,
    /// There are earlier ones.
    pub is_shortened: bool,
}

/// One event of a message's history.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TrailEvent {
    /// When.
    pub at: Timestamp,
    /// Whom it concerns.
    pub recipient: String,
    /// An outcome, or what was done.
    pub what: String,
    /// The next hop's reply, or a reason.
    pub words: String,
    /// The next hop's name; none unless it was an attempt.
    pub next_hop: Option<String>,
    /// The server that was spoken to.
    pub peer: Option<String>,
    /// TLS was spoken.
    pub tls: Option<bool>,
    /// How long the attempt took.
    pub took_seconds: Option<f64>,
}

/// A blank text, as an empty field of a form sends it, is none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let wanted = plain(&text).map_err(de::Error::custom)?;
    Ok(Some(wanted.to_owned()).filter(|wanted| !wanted.is_empty()))
}

fn parsed<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let text = text(deserializer)?;
    text.map(|text| text.parse().map_err(de::Error::custom))
        .transpose()
}
