//! What a condition does with a message, as the list in the room's own file names it for each kind.

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::draft::Draft;
use super::facts::{EnvelopeFacts, MessageFacts};
use super::service::Asker;
use super::services::Conditions;
use super::verdict::CheckVerdict;
use crate::settings::Settings;
use crate::settings::conditions::WhenUnavailable;

/// The check of a condition.
pub(super) struct ConditionCheck {
    /// Which messages it concerns while it is on.
    pub(super) concerns: Concerns,
    /// Header fields that only this check may write. They are taken off messages that come with them.
    pub(super) tags: &'static [&'static str],
    /// What it asks.
    pub(super) run: CheckFn,
}

/// Which messages a condition concerns.
pub(super) enum Concerns {
    All,
    /// Those with such an envelope.
    ByEnvelope(fn(&EnvelopeFacts<'_>, &Settings) -> bool),
    /// Those that are such a message; of several conditions of a kind the one at this position. The settings of
    /// such a condition say that it needs the content.
    ByMessage(fn(&MessageFacts<'_>, &Settings, usize) -> bool),
}

impl Concerns {
    /// Whether the condition at this position of its kind concerns a message.
    pub(super) fn holds(
        &self,
        facts: &MessageFacts<'_>,
        settings: &Settings,
        position: usize,
    ) -> bool {
        match self {
            Self::All => true,
            Self::ByEnvelope(concerns) => concerns(&facts.envelope, settings),
            Self::ByMessage(concerns) => concerns(facts, settings, position),
        }
    }
}

/// What a check asks about a message that it concerns.
pub(super) enum CheckFn {
    /// Nothing: its presence is all there is to it.
    Nothing,
    /// About the envelope alone, so that it can be asked before there is content.
    Envelope(for<'a> fn(EnvelopeCheck<'a>) -> BoxFuture<'a, CheckVerdict>),
    /// About the message. The settings of such a condition say that it needs the content.
    Message(for<'a> fn(MessageCheck<'a>) -> BoxFuture<'a, CheckVerdict>),
}

/// A check of an envelope.
pub(super) struct EnvelopeCheck<'a> {
    pub(super) conditions: &'a Conditions,
    pub(super) settings: &'a Settings,
    pub(super) envelope: EnvelopeFacts<'a>,
    pub(super) asker: Asker,
}

/// A check of a message.
pub(super) struct MessageCheck<'a> {
    pub(super) conditions: &'a Conditions,
    pub(super) settings: &'a Settings,
    pub(super) draft: &'a Draft,
    pub(super) deadline: Instant,
    /// Of several conditions of its kind the one at this position.
    pub(super) position: usize,
}

impl MessageCheck<'_> {
    /// Asks a service until the deadline; says what becomes of the message without an answer.
    pub(super) fn asker(&self, when_unavailable: WhenUnavailable) -> Asker {
        self.draft.asker(self.deadline, when_unavailable)
    }
}
