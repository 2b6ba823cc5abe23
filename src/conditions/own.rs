//! Conditions of the administrator's own: a message that all parts of one hold for takes the path that it
//! leads to.

use super::check::{CheckFn, Concerns, ConditionCheck};
use super::facts::{EnvelopeFacts, MessageFacts};
use crate::settings::Settings;
use crate::settings::conditions::{LeadsTo, PreparedOwn};

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::ByMessage(|facts, settings, position| {
        let own = &settings.conditions().own[position];
        own.written.leads_to == LeadsTo::StandardPath && holds(own, facts)
    }),
    tags: &[],
    run: CheckFn::Nothing,
};

/// Whether one of them sends a message straight through, by what is known of it before its content.
#[must_use]
pub fn leads_through(envelope: EnvelopeFacts<'_>, settings: &Settings) -> bool {
    let facts = MessageFacts::before_content(envelope);
    let mut own = settings.conditions().own.iter();
    own.any(|own| own.written.leads_to == LeadsTo::CutThrough && holds(own, &facts))
}

/// Whether all parts of an own condition hold.
fn holds(own: &PreparedOwn, facts: &MessageFacts<'_>) -> bool {
    let EnvelopeFacts {
        client,
        sender,
        recipients,
        ..
    } = facts.envelope;
    let written = &own.written;
    let in_networks = || {
        let networks = &written.client_networks;
        client
            .address
            .is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
    };
    let is_more = |count: u64, most: Option<u64>| most.is_none_or(|most| count > most);
    let (from, to) = (own.sender.as_ref(), own.recipient.as_ref());
    let header_field = written.header_field.as_deref();
    is_more(recipients.len() as u64, written.recipients_more_than)
        && is_more(facts.size_bytes(), written.larger_than_bytes)
        && (written.client_networks.is_empty() || in_networks())
        && from.is_none_or(|pattern| pattern.is_match(sender.as_str()))
        && to.is_none_or(|pattern| {
            let mut recipients = recipients.iter();
            recipients.any(|recipient| pattern.is_match(recipient.address.as_str()))
        })
        && header_field.is_none_or(|name| facts.has_field(name))
}
