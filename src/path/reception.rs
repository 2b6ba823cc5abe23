//! What is recorded of a message with its answer, and what its client may send again.

use std::sync::Arc;
use std::time::Instant;

use super::fingerprints::ContentDigest;
use super::outbound::OutboundMessage;
use super::received::ReceivedMessage;
use crate::message::{DiskReason, Message, Recipient};

/// A message as its client sent it.
#[derive(Debug)]
pub(super) struct Reception {
    pub(super) message: Arc<Message>,
    /// Bytes of its content.
    pub(super) size_bytes: u64,
    /// Of its content, when it is known without a look at it.
    pub(super) digest: Option<ContentDigest>,
    /// What the conditions said of it, and why it does not go straight through; mostly empty.
    pub(super) examined: String,
    /// Why its body touched disk while it arrived.
    pub(super) reasons: Vec<DiskReason>,
    /// When the end of data was read.
    pub(super) ended_at: Instant,
    /// Until when its client is to have the reply.
    pub(super) deadline: Instant,
}

impl Reception {
    /// Of a message that has arrived whole.
    pub(super) fn of(received: &ReceivedMessage) -> Self {
        let obstacle = received.obstacle.as_deref();
        Self {
            message: Arc::clone(&received.message),
            size_bytes: received.message.body.len(),
            digest: None,
            examined: obstacle.map_or_else(String::new, |why| format!("not cut through: {why}")),
            reasons: received.reasons.clone(),
            ended_at: received.ended_at,
            deadline: received.deadline(),
        }
    }

    /// Whether a message that travels is for the same recipients, in the same places.
    pub(super) fn has_recipients_of(&self, travels: &Message) -> bool {
        let arrived = self.message.envelope.recipients.iter();
        let travelling = travels.envelope.recipients.iter();
        arrived
            .map(|recipient| &recipient.address)
            .eq(travelling.map(|recipient| &recipient.address))
    }

    pub(super) fn add_examined(&mut self, words: &str) {
        if !self.examined.is_empty() && !words.is_empty() {
            self.examined.push_str("; ");
        }
        self.examined.push_str(words);
    }

    /// Which recipients of the message that travels are known to be settled, from those of the one that
    /// arrived.
    fn known(&self, known: &[bool], travels: &Arc<Message>) -> Vec<bool> {
        if known.is_empty() || Arc::ptr_eq(&self.message, travels) {
            return known.to_vec();
        }
        let arrived = &self.message.envelope.recipients;
        let is_known = |recipient: &Recipient| {
            let mut pairs = arrived.iter().zip(known);
            pairs.any(|(other, known)| *known && other.address == recipient.address)
        };
        travels.envelope.recipients.iter().map(is_known).collect()
    }

    /// The messages as they travel, when those at `known` are settled of the one that arrived.
    pub(super) fn outbound(
        &self,
        messages: &[Arc<Message>],
        known: &[bool],
    ) -> Vec<OutboundMessage> {
        let outbound = messages.iter().map(|message| OutboundMessage {
            message: Arc::clone(message),
            known: self.known(known, message),
        });
        outbound.collect()
    }

    /// Which recipients of the message that arrived are settled, when those at `settled` of the one that
    /// travels are.
    pub(super) fn settled(&self, settled: &[usize], travels: &Arc<Message>) -> Vec<usize> {
        let arrived = &self.message.envelope.recipients;
        let now = &travels.envelope.recipients;
        if Arc::ptr_eq(&self.message, travels) {
            return settled.to_vec();
        }
        if !settled.is_empty() && settled.len() == now.len() {
            return (0..arrived.len()).collect();
        }
        let is_settled = |recipient: &Recipient| {
            let mut settled = settled.iter();
            settled.any(|&position| now[position].address == recipient.address)
        };
        let positions = arrived.iter().enumerate();
        let settled = positions.filter(|(_, recipient)| is_settled(recipient));
        settled.map(|(position, _)| position).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::testing::arc_message;

    fn reception(recipients: &[&str]) -> Reception {
        let message = arc_message("a@example.org", recipients, b"x\r\n");
        Reception {
            size_bytes: message.body.len(),
            message,
            digest: None,
            examined: String::new(),
            reasons: Vec::new(),
            ended_at: Instant::now(),
            deadline: Instant::now(),
        }
    }

    /// Replies for each recipient must not go to others than those who are meant.
    #[test]
    fn recipients_that_were_changed_are_not_those_that_arrived() {
        let reception = reception(&["b@example.net", "c@example.net"]);
        for (recipients, same) in [
            (&["b@example.net", "c@example.net"][..], true),
            (&["c@example.net", "b@example.net"], false),
            (&["b@example.net"], false),
            (&["b@example.net", "c@example.net", "d@example.net"], false),
        ] {
            let travels = arc_message("a@example.org", recipients, b"x\r\n");
            assert_eq!(
                reception.has_recipients_of(&travels),
                same,
                "{recipients:?}"
            );
        }
    }

    /// A repetition must reach those who lack the message, and nobody else, also where a condition has put
    /// other recipients in their places.
    #[test]
    fn what_is_settled_is_carried_over_by_address() {
        let reception = reception(&["b@example.net", "c@example.net"]);
        for (recipients, known, settled, arrived) in [
            (
                &["b@example.net", "c@example.net"][..],
                [true, false],
                &[0][..],
                &[0][..],
            ),
            (
                &["c@example.net", "b@example.net"],
                [false, true],
                &[0],
                &[1],
            ),
            // All who are left have it, so that the message as it arrived is settled.
            (&["d@example.net"], [false, false], &[0], &[0, 1]),
            (
                &["d@example.net", "c@example.net"],
                [false, false],
                &[0],
                &[],
            ),
        ] {
            let travels = arc_message("a@example.org", recipients, b"x\r\n");
            let outbound = reception.outbound(&[Arc::clone(&travels)], &[true, false]);
            assert_eq!(
                outbound[0].known,
                known[..recipients.len()],
                "{recipients:?}"
            );
            assert_eq!(
                reception.settled(settled, &travels),
                arrived,
                "{recipients:?}"
            );
        }
    }

    #[test]
    fn what_was_said_of_it_is_one_sentence_after_the_other() {
        let mut reception = reception(&["b@example.net"]);
        for (words, expected) in [
            ("", ""),
            ("a: passed", "a: passed"),
            ("", "a: passed"),
            ("b", "a: passed; b"),
        ] {
            reception.add_examined(words);
            assert_eq!(reception.examined, expected);
        }
    }
}
