//! What one transaction does: the members of a batch, folded so that each row is touched once.
//!
//! Pure. A row that is stored, marked uncertain and removed within one batch costs nothing at all;
//! otherwise an insert carries the changes that follow it, and the last change of a row wins.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::message::body::Durable;
use crate::message::{RowId, RowState};
use crate::store::database::error::StoreError;
use crate::store::rows::{NewQueued, NewRow, RowChange, RowUpdate};

/// What one caller wants stored, all or nothing.
#[derive(Debug)]
pub(in crate::store) struct Member {
    pub(super) inserts: Vec<DurableMessage>,
    /// Applied behind the inserts.
    pub(super) changes: Vec<RowChange>,
    /// None: nobody waits.
    pub(super) answer: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// A message that is ready to be stored: its body is small, or in a synced file.
#[derive(Debug)]
pub(super) struct DurableMessage {
    pub(super) queued: NewQueued,
    pub(super) durable: Durable,
}

impl DurableMessage {
    /// Bytes of its content that go into the database.
    fn inline_bytes(&self) -> u64 {
        match &self.durable {
            Durable::Inline(..) => self.queued.message.body.len(),
            Durable::File(..) => 0,
        }
    }
}

impl Member {
    /// Changes that nobody waits for.
    pub(super) fn lazy(changes: Vec<RowChange>) -> Self {
        Self {
            inserts: Vec::new(),
            changes,
            answer: None,
        }
    }

    /// Bytes of content that go into the database.
    pub(super) fn inline_bytes(&self) -> u64 {
        self.inserts.iter().map(DurableMessage::inline_bytes).sum()
    }
}

/// What one transaction does.
#[derive(Debug, Default)]
pub(super) struct WritePlan<'a> {
    /// Messages of which at least one row is inserted.
    pub(super) messages: Vec<&'a DurableMessage>,
    pub(super) inserts: Vec<(&'a DurableMessage, &'a NewRow, RowUpdate)>,
    pub(super) updates: Vec<(RowId, RowUpdate)>,
    pub(super) removals: Vec<RowId>,
}

/// One row on its way through the batch.
#[derive(Debug)]
struct FoldedRow<'a> {
    row: RowId,
    inserted: Option<(&'a DurableMessage, &'a NewRow)>,
    update: RowUpdate,
    removed: bool,
}

impl<'a> WritePlan<'a> {
    /// Bytes of content that it puts into the database.
    pub(super) fn inline_bytes(&self) -> u64 {
        let messages = self.messages.iter();
        messages.map(|prepared| prepared.inline_bytes()).sum()
    }

    /// The plan for `members` in their order.
    pub(super) fn of(members: impl IntoIterator<Item = &'a Member>) -> Self {
        let mut rows = FoldedRows::default();
        for member in members {
            for prepared in &member.inserts {
                for row in &prepared.queued.rows {
                    // A row id that comes twice stays two inserts: the database refuses the second.
                    rows.begin(row.id).inserted = Some((prepared, row));
                }
            }
            for change in &member.changes {
                rows.find(change.row()).apply(change);
            }
        }
        rows.into_plan()
    }

    /// Whether a change makes a row wait, so that one may come due sooner than was known.
    pub(super) fn reschedules(&self) -> bool {
        let inserted = self.inserts.iter().map(|(_, _, update)| update);
        let updated = self.updates.iter().map(|(_, update)| update);
        inserted
            .chain(updated)
            .any(|update| update.state == Some(RowState::Waiting))
    }

    /// Whether nothing is left to do.
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.updates.is_empty() && self.removals.is_empty()
    }
}

/// The rows of a batch in the order in which they came up.
#[derive(Debug, Default)]
struct FoldedRows<'a> {
    ordered: Vec<FoldedRow<'a>>,
    latest: HashMap<RowId, usize>,
}

impl<'a> FoldedRows<'a> {
    fn begin(&mut self, row: RowId) -> &mut FoldedRow<'a> {
        self.latest.insert(row, self.ordered.len());
        self.ordered.push(FoldedRow {
            row,
            inserted: None,
            update: RowUpdate::default(),
            removed: false,
        });
        self.ordered.last_mut().expect("it was pushed above")
    }

    fn find(&mut self, row: RowId) -> &mut FoldedRow<'a> {
        match self.latest.get(&row) {
            Some(&position) => &mut self.ordered[position],
            None => self.begin(row),
        }
    }

    fn into_plan(self) -> WritePlan<'a> {
        let mut plan = WritePlan::default();
        for course in self.ordered {
            match course.inserted {
                Some(_) if course.removed => {}
                Some((prepared, row)) => {
                    let known = plan.messages.last();
                    if known.is_none_or(|last| !std::ptr::eq(*last, prepared)) {
                        plan.messages.push(prepared);
                    }
                    plan.inserts.push((prepared, row, course.update));
                }
                None if course.removed => plan.removals.push(course.row),
                None => plan.updates.push((course.row, course.update)),
            }
        }
        plan
    }
}

impl FoldedRow<'_> {
    fn apply(&mut self, change: &RowChange) {
        match change {
            _ if self.removed => {}
            RowChange::Remove(_) => self.removed = true,
            RowChange::Update(_, update) => self.update.follow(update.clone()),
        }
    }
}

impl RowUpdate {
    /// What was changed before does not matter any more.
    fn ends_all_before(&self) -> bool {
        self.attempts.is_some()
    }

    /// `later` comes behind it.
    fn follow(&mut self, later: Self) {
        let earlier = std::mem::replace(self, later);
        self.delay_reported |= earlier.delay_reported;
        if !self.ends_all_before() {
            self.state = self.state.or(earlier.state);
            self.reason = self.reason.take().or(earlier.reason);
            self.attempts = earlier.attempts;
            self.last_reply = self.last_reply.take().or(earlier.last_reply);
            self.next_attempt_at = self.next_attempt_at.or(earlier.next_attempt_at);
            self.next_hop = self.next_hop.take().or(earlier.next_hop);
        }
    }
}

/// `changes` without those that later ones of the same row undo: what is kept while the disk is full
/// grows with the rows, not with the time.
pub(super) fn folded(changes: Vec<RowChange>) -> Vec<RowChange> {
    let mut final_at: HashMap<RowId, usize> = HashMap::new();
    for (position, change) in changes.iter().enumerate() {
        match change {
            RowChange::Update(_, update) if !update.ends_all_before() => {}
            _ => _ = final_at.insert(change.row(), position),
        }
    }
    let needed = |position: usize, change: &RowChange| {
        let last = final_at.get(&change.row());
        last.is_none_or(|&last| position >= last)
            || matches!(change, RowChange::Update(_, update) if update.delay_reported)
    };
    let mut position = 0;
    let mut changes = changes;
    changes.retain(|change| {
        position += 1;
        needed(position - 1, change)
    });
    changes.dedup();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::DiskReason;
    use crate::store::testing;

    fn change(changes: Vec<RowChange>) -> Member {
        Member::lazy(changes)
    }

    fn insert(message: i64, rows: &[i64]) -> Member {
        let queued = testing::queued(message, rows, b"x");
        let durable = testing::inline(&queued);
        Member {
            inserts: vec![DurableMessage { queued, durable }],
            changes: Vec::new(),
            answer: None,
        }
    }

    fn uncertain(row: i64) -> RowChange {
        RowChange::Update(
            RowId(row),
            RowUpdate {
                state: Some(RowState::Uncertain),
                next_attempt_at: Some(testing::time(600)),
                ..RowUpdate::default()
            },
        )
    }

    fn reschedule(row: i64, attempts: u32) -> RowChange {
        RowChange::Update(
            RowId(row),
            RowUpdate {
                state: Some(RowState::Waiting),
                reason: Some(DiskReason::Deferred),
                attempts: Some(attempts),
                last_reply: Some("451 later".into()),
                next_attempt_at: Some(testing::time(60)),
                ..RowUpdate::default()
            },
        )
    }

    /// (inserted rows with their final state, updated rows, removed rows)
    fn check(members: &[Member], expected: (&[(i64, RowState)], &[i64], &[i64])) {
        let plan = WritePlan::of(members);
        let inserted: Vec<_> = plan
            .inserts
            .iter()
            .map(|(_, row, update)| (row.id.0, update.state.unwrap_or(row.state)))
            .collect();
        let updated: Vec<_> = plan.updates.iter().map(|(row, _)| row.0).collect();
        let removed: Vec<_> = plan.removals.iter().map(|row| row.0).collect();
        assert_eq!((&inserted[..], &updated[..], &removed[..]), expected);
    }

    #[test]
    fn each_row_is_touched_once() {
        let waiting = RowState::Waiting;
        let remove = |row| RowChange::Remove(RowId(row));
        check(&[], (&[], &[], &[]));
        check(
            &[insert(1, &[1]), insert(2, &[2, 3])],
            (&[(1, waiting), (2, waiting), (3, waiting)], &[], &[]),
        );
        check(
            &[insert(1, &[1]), change(vec![uncertain(1), remove(1)])],
            (&[], &[], &[]),
        );
        check(
            &[insert(1, &[1]), change(vec![uncertain(1)])],
            (&[(1, RowState::Uncertain)], &[], &[]),
        );
        check(
            &[change(vec![uncertain(7)]), change(vec![remove(7)])],
            (&[], &[], &[7]),
        );
        check(
            &[change(vec![remove(7), uncertain(7), uncertain(8)])],
            (&[], &[8], &[7]),
        );
    }

    #[test]
    fn a_message_without_rows_is_not_stored() {
        let members = [
            insert(1, &[1]),
            insert(2, &[2, 3]),
            change(vec![
                RowChange::Remove(RowId(1)),
                RowChange::Remove(RowId(3)),
            ]),
        ];
        let plan = WritePlan::of(&members);
        let messages = plan.messages.iter().map(|m| m.queued.message.id.as_i64());
        assert_eq!(messages.collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn the_last_change_of_a_row_wins() {
        let members = [
            change(vec![uncertain(1), reschedule(1, 1)]),
            change(vec![
                RowChange::Update(
                    RowId(1),
                    RowUpdate {
                        delay_reported: true,
                        ..RowUpdate::default()
                    },
                ),
                reschedule(1, 2),
            ]),
        ];
        let plan = WritePlan::of(&members);
        let (row, update) = &plan.updates[0];
        assert_eq!(plan.updates.len(), 1);
        assert_eq!((row.0, update.attempts), (1, Some(2)));
        assert_eq!(update.state, Some(RowState::Waiting));
        assert!(update.delay_reported);
    }

    #[test]
    fn only_a_row_that_waits_again_is_rescheduled() {
        let check = |members: &[Member], expected| {
            assert_eq!(
                WritePlan::of(members).reschedules(),
                expected,
                "{members:?}"
            );
        };
        check(&[insert(1, &[1])], false);
        check(&[change(vec![uncertain(1)])], false);
        check(&[change(vec![reschedule(1, 1)])], true);
        check(&[insert(1, &[1]), change(vec![reschedule(1, 1)])], true);
        let removed = RowChange::Remove(RowId(1));
        check(&[change(vec![reschedule(1, 1), removed])], false);
    }

    #[test]
    fn kept_changes_do_not_grow_with_time() {
        let mut kept = Vec::new();
        for attempts in 0..100 {
            kept.extend([uncertain(1), reschedule(1, attempts)]);
            kept = folded(kept);
        }
        assert_eq!(kept, [reschedule(1, 99)]);
        kept.extend([
            uncertain(1),
            RowChange::Update(
                RowId(2),
                RowUpdate {
                    delay_reported: true,
                    ..RowUpdate::default()
                },
            ),
        ]);
        assert_eq!(folded(kept).len(), 3);
    }
}
