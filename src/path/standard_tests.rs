use serde_json::json;

use super::*;
use crate::message::testing::arc_message;
use crate::path::testing::{Scene, TAKES, next_hops};
use crate::queue::FailureReason;

fn outbound(message: &Arc<Message>, known: Vec<bool>) -> OutboundMessage {
    OutboundMessage {
        message: Arc::clone(message),
        known,
    }
}

fn refused(message: &Message, position: usize) -> Failed {
    Failed {
        recipient: message.envelope.recipients[position].clone(),
        failure: FailureReason::Refused,
        reply: Reply::RELAY_DENIED,
    }
}

#[tokio::test]
async fn what_is_stored_is_handed_on_from_memory() {
    let scene = Scene::new(json!({})).await;
    let (mut servers, message) = next_hops(&[TAKES]).await;
    let dispatch = scene.dispatch(Arc::clone(&message), false);
    let reason = DiskReason::StandardPath;
    let path = StandardPath::new(Arc::clone(&scene.context));
    let found = path
        .enqueue(
            &dispatch,
            &[outbound(&message, Vec::new())],
            Vec::new(),
            reason.clone(),
        )
        .await;
    assert!(found.reply.to_string().starts_with("250 2.0.0 Queued "));
    assert_eq!(
        (found.path, found.stored, found.reasons),
        (Path::Standard, true, vec![reason])
    );
    assert_eq!(found.settled, [0]);
    let heard = servers.remove(0).finish().await;
    assert!(heard[0].contains("Subject: x"), "{heard:?}");
}

#[tokio::test]
async fn reports_are_stored_with_what_waits() {
    let scene = Scene::new(json!({})).await;
    let message = arc_message(
        "a@example.org",
        &["b@example.net", "c@example.net", "d@example.net"],
        b"x\r\n",
    );
    let dispatch = scene.dispatch(Arc::clone(&message), false);
    let failed = vec![refused(&message, 1)];
    let known = vec![false, true, false];
    let quarantine = QuarantineCause {
        reason: DiskReason::Condition("antivirus".into()),
        words: "antivirus: found".to_owned(),
    };
    let path = StandardPath::new(Arc::clone(&scene.context));
    let found = path
        .quarantine(&dispatch, &[outbound(&message, known)], failed, quarantine)
        .await;
    assert!(found.reply.to_string().starts_with("250 2.0.0 Queued "));
    assert_eq!(found.reasons, [DiskReason::Condition("antivirus".into())]);
    // The report waits; the two others are kept back.
    assert_eq!(scene.waiting().await, 1);
}

#[tokio::test]
async fn nothing_is_taken_that_cannot_be_stored() {
    let scene = Scene::new(json!({})).await;
    scene.fill_disk();
    let message = arc_message("a@example.org", &["b@example.net"], b"x\r\n");
    let dispatch = scene.dispatch(Arc::clone(&message), false);
    let path = StandardPath::new(Arc::clone(&scene.context));
    let found = path
        .enqueue(
            &dispatch,
            &[outbound(&message, Vec::new())],
            Vec::new(),
            DiskReason::StandardPath,
        )
        .await;
    assert_eq!(found.reply, Reply::INSUFFICIENT_STORAGE);
    assert!(!found.stored && found.settled.is_empty());
    assert_eq!(scene.waiting().await, 0);
}

/// Of several messages that were made of one, each row says of which.
#[test]
fn messages_that_were_made_of_another_say_so() {
    let arrived = arc_message("a@example.org", &["b@example.net"], b"x\r\n");
    let made = Arc::new(Message {
        id: MessageId::from_i64(2),
        ..(*arrived).clone()
    });
    let dispatch = Dispatch {
        message: Arc::clone(&arrived),
        settings: Arc::new(crate::settings::testing::settings(json!({}))),
        per_recipient: false,
        deadline: std::time::Instant::now(),
    };
    for (message, expected) in [(&arrived, None), (&made, Some(arrived.id))] {
        let outbound = [outbound(message, Vec::new())];
        let mut grouped = grouped(&dispatch, &outbound);
        let grouped = grouped.next().expect("there is one");
        assert_eq!((grouped.made_of, grouped.recipients()), (expected, 1));
        let template = RowTemplate {
            state: RowState::Waiting,
            reason: DiskReason::StandardPath,
            words: "words".to_owned(),
        };
        let entry = grouped.entry(&[RowId(7)], &template);
        assert_eq!(entry.made_of, expected);
        let row = &entry.rows[0];
        assert_eq!(
            (row.id, row.state, &*row.next_hop),
            (RowId(7), RowState::Waiting, "example.net")
        );
        assert_eq!((row.attempts, row.last_reply.as_str()), (0, "words"));
    }
}
