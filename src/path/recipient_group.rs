//! The recipients of a message by their next hops.

use std::collections::HashMap;
use std::sync::Arc;

use crate::message::Message;
use crate::settings::{NextHop, Settings};

/// Recipients of one message that go to one next hop in one transaction.
#[derive(Clone, Debug)]
pub(super) struct RecipientGroup {
    /// Where to.
    pub(super) next_hop: Arc<NextHop>,
    /// Positions in the envelope.
    pub(super) recipients: Vec<usize>,
}

/// The recipients that are not `known` to be settled, grouped by next hop, at most
/// [`crate::limits::RECIPIENTS_PER_TRANSACTION`] a group.
pub(super) fn group_by_next_hop(
    message: &Message,
    settings: &Settings,
    known: &[bool],
) -> Vec<RecipientGroup> {
    let positions = (0..message.envelope.recipients.len()).filter(|&at| !is_known(known, at));
    let mut groups: Vec<RecipientGroup> = Vec::with_capacity(1);
    let mut open: HashMap<Arc<str>, usize> = HashMap::new();
    for position in positions {
        let next_hop = message.envelope.recipients[position].next_hop(settings);
        let full = message.recipients_per_transaction();
        let with_room = match groups.as_slice() {
            // The ordinary message has one recipient, or all at one next hop.
            [only] if only.next_hop.name() == next_hop.name() => Some(0),
            _ => open.get(next_hop.name()).copied(),
        };
        match with_room.filter(|&group| groups[group].recipients.len() < full) {
            Some(group) => groups[group].recipients.push(position),
            None => {
                open.insert(Arc::clone(next_hop.name()), groups.len());
                groups.push(RecipientGroup {
                    next_hop,
                    recipients: vec![position],
                });
            }
        }
    }
    groups
}

/// Whether the recipient at this position is known to be settled.
pub(super) fn is_known(known: &[bool], position: usize) -> bool {
    known.get(position).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use crate::message::testing::arc_message;
    use crate::settings::testing::settings;

    fn groups(recipients: &[&str], known: &[bool]) -> Vec<(String, Vec<usize>)> {
        let settings = settings(serde_json::json!({}));
        let message = arc_message("a@example.org", recipients, b"x\r\n");
        let groups = group_by_next_hop(&message, &settings, known).into_iter();
        groups
            .map(|group| (group.next_hop.name().to_string(), group.recipients))
            .collect()
    }

    #[test]
    fn recipients_are_grouped_by_domain_in_their_order() {
        let check = |recipients: &[&str], known: &[bool], expected: &[(&str, &[usize])]| {
            let found = groups(recipients, known);
            let found: Vec<(&str, &[usize])> = found
                .iter()
                .map(|(name, positions)| (name.as_str(), positions.as_slice()))
                .collect();
            assert_eq!(found, expected, "{recipients:?} {known:?}");
        };
        let three = ["a@one.example", "b@two.example", "c@one.example"];
        check(&three[..1], &[], &[("one.example", &[0])]);
        let both: &[(&str, &[usize])] = &[("one.example", &[0, 2]), ("two.example", &[1])];
        check(&three, &[], both);
        check(&three, &[false; 3], both);
        check(
            &three,
            &[true, false, false],
            &[("two.example", &[1]), ("one.example", &[2])],
        );
        check(&three, &[true; 3], &[]);
    }

    #[test]
    fn a_group_has_no_more_than_a_transaction_takes() {
        let many: Vec<String> = (0..limits::RECIPIENTS_PER_TRANSACTION + 1)
            .map(|number| format!("r{number}@example.net"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let groups = groups(&many, &[]);
        let sizes: Vec<usize> = groups
            .iter()
            .map(|(_, recipients)| recipients.len())
            .collect();
        assert_eq!(sizes, [limits::RECIPIENTS_PER_TRANSACTION, 1]);
    }
}
