//! Filters, orders and damage, over a small queue.

use serde_json::{Value, json};

use super::*;
use crate::message::{DiskReason, Recipient};
use crate::smtp::address::ReversePath;
use crate::store::testing::{Scene, mailbox, queued, time};

impl QueueView {
    /// One row; none when it is gone.
    pub(in crate::store) async fn item(&self, row: RowId) -> Result<Option<QueueItem>, ReadError> {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(ITEM_COLUMNS);
        push_from(&mut query, true);
        query.push(" WHERE r.id = ").push_bind(row.0);
        let row = query.build().fetch_optional(&self.readers).await?;
        Ok(row.as_ref().map(item))
    }
}

/// Ids begin with the time of arrival.
fn id_at_age(seconds: i64) -> MessageId {
    MessageId::earliest_at(time(-seconds))
}

/// Five rows of three messages, each different in something a filter asks for.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    let mut messages = vec![
        queued(1, &[1, 2], b"first"),
        queued(2, &[3, 4], b"second!"),
        queued(3, &[5], b"third"),
    ];
    let recipients = [
        "a@one.example",
        "B@One.Example",
        "c_d@two.example",
        "cxd@two.example",
        "e@three.example",
    ];
    let rows = messages.iter_mut().flat_map(|message| &mut message.rows);
    for (row, recipient) in rows.zip(recipients) {
        row.recipient = Recipient::plain(mailbox(recipient));
        row.next_hop = format!("mx.{}", row.recipient.address.lookup_domain()).into();
        row.attempts = 10 - u32::try_from(row.id.0).expect("small");
        row.next_attempt_at = time(row.id.0 % 3);
    }
    messages[0].rows[0].state = RowState::Held;
    messages[0].rows[1].reason = DiskReason::Condition("antivirus".into());
    messages[1].rows[0].last_reply = "451 4.7.1 Greylisted, 100% sure".into();
    for (message, (age, sender)) in messages.iter_mut().zip([
        (300, "Zoe@example.org"),
        (200, "adam@example.org"),
        (100, ""),
    ]) {
        let changed = std::sync::Arc::get_mut(&mut message.message).expect("nobody else holds it");
        changed.id = id_at_age(age);
        changed.received_at = time(-age);
        changed.envelope.sender = ReversePath::parse(sender).expect("a path");
    }
    scene.store.queue.insert(messages).await.expect("stored");
    scene
}

#[tokio::test]
async fn filters_mean_the_rows_they_say() {
    let scene = scene().await;
    for (filter, expected) in [
        (json!({}), &[1, 2, 3, 4, 5][..]),
        (json!({"state": "held"}), &[1]),
        (json!({"state": "damaged"}), &[]),
        (json!({"next_hop": "mx.one.example"}), &[1, 2]),
        (json!({"destination": "ONE.example"}), &[1, 2]),
        (json!({"sender": "adam"}), &[3, 4]),
        (json!({"sender": "zoe*"}), &[1, 2]),
        (json!({"sender": "oe*"}), &[]),
        (json!({"sender": "oe"}), &[1, 2]),
        (json!({"recipient": "b@one"}), &[2]),
        (json!({"recipient": "_"}), &[3]),
        (json!({"recipient": "c*"}), &[3, 4]),
        (json!({"reason": "deferred"}), &[1, 3, 4, 5]),
        (json!({"reason": "condition:antivirus"}), &[2]),
        (json!({"reason": "condition:*"}), &[2]),
        (json!({"last_reply": "greylisted"}), &[3]),
        (json!({"last_reply": "100%"}), &[3]),
        (json!({"older_than_seconds": 200}), &[1, 2, 3, 4]),
        (json!({"younger_than_seconds": 200}), &[3, 4, 5]),
        (
            json!({"older_than_seconds": 200, "younger_than_seconds": 250}),
            &[3, 4],
        ),
        (json!({"older_than_seconds": u64::MAX}), &[]),
        (json!({"message_id": id_at_age(200).to_string()}), &[3, 4]),
        (
            json!({"destination": "two.example", "last_reply": "later"}),
            &[4],
        ),
    ] {
        let read: QueueFilter = serde_json::from_value(filter.clone()).expect("a filter");
        let matching = scene
            .store
            .queue_view
            .matching(&read, time(0))
            .await
            .expect("readable");
        let ids: Vec<i64> = matching.iter().map(|(row, _)| row.0).collect();
        assert_eq!(ids, expected, "{filter}");
        let request = QueuePageRequest {
            limit: 2,
            ..QueuePageRequest::default()
        };
        let page = scene
            .store
            .queue_view
            .page(&read, request, time(0))
            .await
            .expect("readable");
        assert_eq!(page.total, expected.len() as u64, "{filter}");
        let ids: Vec<i64> = page.items.iter().map(|item| item.id.0).collect();
        assert_eq!(ids, expected[..expected.len().min(2)], "{filter}");
    }
}

#[tokio::test]
async fn pages_are_in_the_order_that_was_asked_for() {
    let scene = scene().await;
    for (order, ascending) in [
        (QueueOrder::ReceivedAt, [1, 2, 3, 4, 5]),
        (QueueOrder::NextAttemptAt, [3, 1, 4, 2, 5]),
        (QueueOrder::Recipient, [2, 1, 3, 4, 5]),
        (QueueOrder::Sender, [5, 1, 2, 3, 4]),
        (QueueOrder::NextHop, [1, 2, 5, 3, 4]),
        (QueueOrder::State, [1, 2, 3, 4, 5]),
        (QueueOrder::Reason, [2, 1, 3, 4, 5]),
        (QueueOrder::Attempts, [5, 4, 3, 2, 1]),
    ] {
        for descending in [false, true] {
            let request = QueuePageRequest {
                order,
                descending,
                offset: 1,
                limit: 3,
            };
            let page = scene
                .store
                .queue_view
                .page(&QueueFilter::default(), request, time(0))
                .await;
            let ids: Vec<i64> = page
                .expect("readable")
                .items
                .iter()
                .map(|item| item.id.0)
                .collect();
            let mut expected = ascending;
            if descending {
                expected.reverse();
            }
            assert_eq!(ids, expected[1..4], "{order:?} {descending}");
        }
    }
}

#[tokio::test]
async fn deep_pages_are_the_same_from_either_end() {
    let scene = Scene::new().await;
    let rows: Vec<i64> = (1..=2_501).collect();
    scene
        .store
        .queue
        .insert(vec![queued(1, &rows, b"x")])
        .await
        .expect("stored");
    for (offset, first, last) in [
        (900, 901, 1_000),
        (1_100, 1_101, 1_200),
        (1_300, 1_301, 1_400),
        (2_400, 2_401, 2_500),
        (2_500, 2_501, 2_501),
    ] {
        for descending in [false, true] {
            let request = QueuePageRequest {
                order: QueueOrder::Reason,
                descending,
                offset,
                limit: 100,
            };
            let everything = QueueFilter::default();
            let page = scene
                .store
                .queue_view
                .page(&everything, request, time(0))
                .await;
            let page = page.expect("readable");
            let ids: Vec<i64> = page.items.iter().map(|item| item.id.0).collect();
            let mut expected: Vec<i64> = (first..=last).collect();
            if descending {
                expected = (first..=last).map(|row| 2_502 - row).collect();
            }
            assert_eq!(ids, expected, "{offset} {descending}");
            assert_eq!(page.total, 2_501);
        }
    }
    let beyond = QueuePageRequest {
        offset: 2_501,
        ..QueuePageRequest::default()
    };
    let everything = QueueFilter::default();
    let page = scene
        .store
        .queue_view
        .page(&everything, beyond, time(0))
        .await;
    assert!(page.expect("readable").items.is_empty());
}

#[tokio::test]
async fn an_item_has_the_shape_of_the_api() {
    let scene = scene().await;
    let item = scene
        .store
        .queue_view
        .item(RowId(3))
        .await
        .expect("readable");
    let item = serde_json::to_value(item.expect("it is there")).expect("JSON");
    let expected = json!({
        "id": 3, "message_id": id_at_age(200).to_string(), "sender": "adam@example.org",
        "recipient": "c_d@two.example", "next_hop": "mx.two.example", "state": "waiting",
        "reason": "deferred", "attempts": 7, "last_reply": "451 4.7.1 Greylisted, 100% sure",
        "size_bytes": 7, "received_at": "2027-01-15T07:56:40Z",
        "next_attempt_at": "2027-01-15T08:00:00Z",
    });
    assert_eq!(item, expected);
    assert_eq!(
        scene
            .store
            .queue_view
            .item(RowId(99))
            .await
            .expect("readable"),
        None
    );
    let page = QueuePage {
        total: 0,
        items: Vec::new(),
    };
    assert_eq!(
        serde_json::to_value(page).expect("JSON"),
        json!({"total": 0, "items": Value::Array(Vec::new())})
    );
}

#[tokio::test]
async fn one_damaged_row_blanks_nothing_else() {
    let scene = scene().await;
    for damage in [
        "UPDATE recipients SET state = 'asleep', reason = 'rain', next_attempt_at = 9223372036854775807 WHERE id = 1",
        "UPDATE recipients SET recipient = CAST(x'61ff62' AS TEXT) WHERE id = 1",
        "DELETE FROM messages WHERE id = (SELECT min(id) FROM messages)",
    ] {
        scene.meddle(damage).await;
    }
    let all = QueueFilter::default();
    let page = scene
        .store
        .queue_view
        .page(&all, QueuePageRequest::default(), time(0));
    let page = page.await.expect("readable");
    assert_eq!((page.total, page.items.len()), (5, 5));
    let item = &page.items[0];
    assert_eq!((item.id, item.state), (RowId(1), RowState::Damaged));
    assert_eq!(
        (item.reason.as_str(), item.recipient.as_str()),
        ("rain", "a\u{fffd}b")
    );
    assert_eq!((item.sender.as_str(), item.size_bytes), ("", 0));
    assert_eq!(item.next_attempt_at, Timestamp::UNIX_EPOCH);
    let damaged = QueueFilter {
        state: Some(RowState::Damaged),
        ..QueueFilter::default()
    };
    let found = scene
        .store
        .queue_view
        .matching(&damaged, time(0))
        .await
        .expect("readable");
    assert_eq!(found, [(RowId(1), RowState::Damaged)]);
}
