//! What the tests of the trail's pages share: messages that were delivered, refused and queued.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::testing::Site;
use crate::message::testing::{self, mailbox};
use crate::message::trail::{AnsweredMessage, Attempted, Noted, RecipientEvent, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{Client, DiskReason, Message, MessageId, Path, RowState, Storage};
use crate::smtp::address::ReversePath;
use crate::store::{NewQueued, NewRow};

/// The scene's noon, 2027-01-15 08:00:00: all its times are counted from here.
const NOON_SECOND: i64 = 1_800_000_000;

pub(super) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOON_SECOND + seconds).expect("a time within all times")
}

pub(super) fn id(second: i64) -> MessageId {
    MessageId::earliest_at(time(second))
}

/// An attempt that delivered the message of `second` to `recipient` 38 ms later.
pub(super) fn attempted(
    second: i64,
    recipient: &str,
    outcome: OutcomeKind,
    words: &str,
) -> Attempted {
    Attempted {
        message: id(second),
        recipient: mailbox(recipient),
        at: time(second) + Duration::from_millis(38),
        next_hop: "mx.example.net".into(),
        peer: Some(([192, 0, 2, 25], 25).into()),
        outcome,
        words: words.into(),
        took: Duration::from_millis(38),
        tls: true,
    }
}

/// A message from `sender` that was delivered to one recipient before it was answered.
pub(super) fn delivered(second: i64, sender: &str, recipient: &str) -> AnsweredMessage {
    let words = "250 2.0.0 Ok: queued as 4F2B1C3D";
    AnsweredMessage {
        message: id(second),
        received_at: time(second),
        client: client(),
        sender: ReversePath::Mailbox(mailbox(sender)),
        recipients: 1,
        size_bytes: 4_200,
        path: Path::Fast,
        storage: Storage::Memory,
        reasons: Vec::new(),
        code: 250,
        reply: format!("250 2.0.0 Delivered ({words})"),
        acknowledged_after: Duration::from_millis(39),
        delivered: Some(attempted(second, recipient, OutcomeKind::Delivered, words)),
        examined: String::new(),
    }
}

/// A message from `sender` that was put into the queue for `recipient`.
pub(super) fn queued(second: i64, sender: &str, recipient: &str) -> [TrailEntry; 3] {
    let words = "451 4.3.0 later";
    [
        TrailEntry::Attempted(attempted(second, recipient, OutcomeKind::Deferred, words)),
        TrailEntry::Noted(Noted {
            message: id(second),
            recipient: mailbox(recipient),
            at: time(second) + Duration::from_millis(40),
            event: RecipientEvent::Queued,
            words: words.into(),
        }),
        TrailEntry::Answered(AnsweredMessage {
            storage: Storage::Disk,
            reasons: vec![DiskReason::Deferred],
            reply: "250 2.0.0 Queued".into(),
            delivered: None,
            ..delivered(second, sender, recipient)
        }),
    ]
}

fn client() -> Client {
    Client {
        address: Some([192, 0, 2, 1].into()),
        helo: "client.example.org".into(),
        login: None,
    }
}

/// A delivered message, and one that waits in the queue, whose id is given.
pub(super) async fn fill(site: &Site) -> MessageId {
    let mut entries = vec![TrailEntry::Answered(delivered(
        1,
        "anna@example.org",
        "bert@example.net",
    ))];
    entries.extend(queued(2, "anna@example.org", "carl@example.net"));
    let store = &site.context.store;
    store.trail.append(entries).await.expect("appended");
    in_queue(site, 2, &["carl@example.net"]).await
}

/// Puts the message of `second` into the queue.
pub(super) async fn in_queue(site: &Site, second: i64, recipients: &[&str]) -> MessageId {
    let store = &site.context.store;
    let ids = store.queue.allocate_rows(recipients.len());
    let rows = ids
        .into_iter()
        .zip(testing::recipients(recipients))
        .map(|(id, recipient)| NewRow {
            id,
            recipient,
            next_hop: "mx.example.net".into(),
            state: RowState::Waiting,
            reason: DiskReason::Deferred,
            attempts: 1,
            last_reply: "451 4.3.0 later".into(),
            next_attempt_at: time(60),
        });
    let rows = rows.collect();
    let message = Message {
        id: id(second),
        received_at: time(second),
        client: client(),
        prefix: Bytes::from_static(b"Received: by relay.example.net\r\n"),
        ..testing::message("anna@example.org", recipients, b"Subject: x\r\n\r\nx\r\n")
    };
    let queued = NewQueued {
        message: Arc::new(message),
        rows,
        kept_from: time(0),
    };
    store.queue.insert(vec![queued]).await.expect("stored");
    id(second)
}
