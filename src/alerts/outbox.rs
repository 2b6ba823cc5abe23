//! What still has to be sent to the webhook: bounded, and of each topic only the newest.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::notification::Notification;
use crate::limits;

/// Notifications in the order of their topics' last change.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pending: Mutex<Pending>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    queue: VecDeque<(NotificationId, Notification)>,
    last_ticket: u64,
}

/// Names one notification, so that a newer one in its place is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotificationId(u64);

impl Outbox {
    /// Adds one behind all others; an older one on the same topic goes. Says whether another had to be
    /// given up for want of room.
    pub(super) fn put(&self, notification: Notification) -> bool {
        let mut pending = self.pending.lock();
        pending
            .queue
            .retain(|(_, older)| older.topic != notification.topic);
        pending.last_ticket += 1;
        let ticket = NotificationId(pending.last_ticket);
        pending.queue.push_back((ticket, notification));
        let is_too_full = pending.queue.len() > limits::WEBHOOK_PENDING;
        if is_too_full {
            pending.queue.pop_front();
        }
        drop(pending);
        self.filled.notify_one();
        is_too_full
    }

    /// The oldest one, when there is one. It stays until it is removed. For one reader.
    pub(super) async fn first(&self) -> (NotificationId, Notification) {
        loop {
            if let Some(first) = self.pending.lock().queue.front() {
                return first.clone();
            }
            self.filled.notified().await;
        }
    }

    /// Whether it is still there: nothing newer has come on its topic.
    pub(super) fn holds(&self, ticket: NotificationId) -> bool {
        self.pending
            .lock()
            .queue
            .iter()
            .any(|(other, _)| *other == ticket)
    }

    /// Takes it out, if it is still there.
    pub(super) fn remove(&self, ticket: NotificationId) {
        self.pending
            .lock()
            .queue
            .retain(|(other, _)| *other != ticket);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.pending.lock().queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::notification::AlertEvent;
    use crate::alerts::{AlertKind, Topic};

    fn notification(event: AlertEvent, topic: Topic) -> Notification {
        Notification {
            event,
            topic: Some(topic),
            body: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_newest_of_each_topic_waits() {
        let outbox = Outbox::default();
        assert!(!outbox.put(notification(
            AlertEvent::Begin,
            Topic::of(AlertKind::QueueLarge)
        )));
        let (begin, _) = outbox.first().await;
        assert!(!outbox.put(notification(
            AlertEvent::Begin,
            Topic::of(AlertKind::DiskLow)
        )));
        assert!(!outbox.put(notification(
            AlertEvent::End,
            Topic::of(AlertKind::QueueLarge)
        )));
        assert!(!outbox.holds(begin));
        outbox.remove(begin);
        let mut told = Vec::new();
        while outbox.len() > 0 {
            let (ticket, first) = outbox.first().await;
            told.push((first.event, first.topic));
            outbox.remove(ticket);
        }
        assert_eq!(
            told,
            [
                (AlertEvent::Begin, Some(Topic::of(AlertKind::DiskLow))),
                (AlertEvent::End, Some(Topic::of(AlertKind::QueueLarge)))
            ]
        );
    }

    #[tokio::test]
    async fn the_oldest_is_given_up_for_want_of_room() {
        let outbox = Outbox::default();
        let topic = |number: usize| Topic::breaker(format!("mx{number}").into());
        for number in 0..limits::WEBHOOK_PENDING {
            assert!(!outbox.put(notification(AlertEvent::Begin, topic(number))));
        }
        assert!(outbox.put(notification(
            AlertEvent::Begin,
            Topic::of(AlertKind::QueueOld)
        )));
        assert_eq!(outbox.len(), limits::WEBHOOK_PENDING);
        assert_eq!(outbox.first().await.1.topic, Some(topic(1)));
    }
}
