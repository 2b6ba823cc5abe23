use super::*;
use crate::message::{MemoryBudget, MessageId, RowId};
use crate::smtp::address::Mailbox;
use crate::smtp::command::Notify;

/// A message for b@example.net with this content.
fn message(ret: Option<Return>, content: &str) -> Arc<Message> {
    let recipient = Recipient {
        original_recipient: Some("rfc822;b@example.com".to_owned()),
        ..Recipient::plain(Mailbox::parse("b@example.net").expect("a mailbox"))
    };
    let body = in_memory(content.to_owned().into(), MemoryBudget::new(1 << 20));
    Arc::new(Message {
        id: MessageId::from_i64(1),
        received_at: Timestamp::UNIX_EPOCH,
        client: Client {
            address: None,
            helo: "client.example.org".into(),
            login: None,
        },
        envelope: Envelope {
            sender: ReversePath::parse("a@example.org").expect("a path"),
            recipients: vec![recipient],
            body_type: BodyType::SevenBit,
            smtputf8: false,
            ret,
            envelope_id: None,
        },
        prefix: Bytes::from_static(b"Received: by us\r\n"),
        body: Arc::new(body),
        content_from: 0,
        for_clause_at: None,
        eight_bit: false,
        needs_smtputf8: false,
    })
}

fn failed(failure: FailureReason, reply: Reply) -> Failed {
    Failed {
        recipient: message(None, "").envelope.recipients[0].clone(),
        failure,
        reply,
    }
}

/// RFC 3463: the status of a failure is the next hop's where it refused, and ours in all other cases.
#[test]
fn a_failure_has_its_status() {
    let refusal = || Reply::new(550, (5, 1, 1), "unknown");
    for (failure, reply, status) in [
        (FailureReason::Refused, refusal(), "5.1.1"),
        (
            FailureReason::Refused,
            Reply::plain(550, "unknown"),
            "5.0.0",
        ),
        (FailureReason::Expired, refusal(), "4.4.7"),
        (FailureReason::RetriesUsedUp, refusal(), "4.4.7"),
        (FailureReason::Returned, refusal(), "5.7.1"),
        (FailureReason::Lost, refusal(), "5.3.0"),
    ] {
        let failed = failed(failure, reply);
        let entry = failure_entry(&failed);
        assert_eq!(entry.status, status, "{failure:?}");
        assert_eq!(entry.action, "failed");
        assert_eq!(entry.original, Some("rfc822;b@example.com"));
        assert!(entry.retried_until.is_none());
    }
}

/// NOTIFY (RFC 3461 §4.1): without it a failure is reported, and nothing else is.
#[test]
fn failures_are_reported_as_the_sender_asked() {
    let notify = |never, failure| Notify {
        never,
        success: false,
        failure,
        delay: false,
    };
    for (notify, sender, expected) in [
        (None, "a@example.org", true),
        (None, "", false),
        (Some(notify(true, false)), "a@example.org", false),
        (Some(notify(false, true)), "a@example.org", true),
        (Some(notify(false, false)), "a@example.org", false),
    ] {
        let mut failed = failed(FailureReason::Refused, Reply::plain(550, "unknown"));
        failed.recipient.notify = notify;
        let mut message = (*message(None, "")).clone();
        message.envelope.sender = ReversePath::parse(sender).expect("a path");
        assert_eq!(
            failed.is_reported(&message),
            expected,
            "{notify:?} {sender}"
        );
    }
}

#[test]
fn delay_and_relaying_say_what_was_done() {
    let message = message(None, "");
    let until = Timestamp::UNIX_EPOCH;
    let row = QueuedRow {
        id: RowId(1),
        position: 0,
        attempts: 1,
        kept_from: until,
        read_at: std::time::Instant::now(),
        delay_reported: false,
    };
    let later = Reply::plain(450, "later");
    let entry = delay_entry(&message, &row, &later, until);
    assert_eq!((entry.action, entry.status.as_str()), ("delayed", "4.0.0"));
    assert_eq!(entry.retried_until, Some(until));
    let taken = Reply::new(250, (2, 1, 5), "taken");
    let entry = relayed_entry(&message.envelope.recipients[0], &taken);
    assert_eq!((entry.action, entry.status.as_str()), ("relayed", "2.1.5"));
}

#[test]
fn what_is_left_of_a_damaged_recipient_is_shown_without_its_controls() {
    let reply = Reply::plain(554, "damaged");
    let text = format!("b\u{7}@\r\n{}", "x".repeat(2 * limits::PATH_BYTES));
    let entry = unreadable_entry(&text, &reply);
    let ReportedAddress::Unreadable(shown) = &entry.address else {
        panic!("no address");
    };
    assert!(shown.starts_with("b@x"), "{shown}");
    assert_eq!(shown.len(), limits::PATH_BYTES);
    assert_eq!(entry.status, "5.3.0");
}

/// RFC 3461 §4.3: RET=HDRS asks for the header only, which is also all that a delay or a large message has.
#[tokio::test]
async fn the_original_is_whole_or_its_header() {
    let header = "Received: by us\r\nSubject: x\r\n";
    let small = "Subject: x\r\n\r\nbody\r\n";
    let large = format!("{small}{}", "x".repeat(limits::REPORT_BODY_BYTES as usize));
    for (ret, content, subject, whole) in [
        (None, small, Subject::Failed, true),
        (Some(Return::Full), small, Subject::Failed, true),
        (Some(Return::Headers), small, Subject::Failed, false),
        (None, small, Subject::Delayed, false),
        (None, small, Subject::Relayed, false),
        (Some(Return::Full), &large, Subject::Failed, false),
    ] {
        let original = original_of(&message(ret, content), subject).await;
        assert_eq!(original.whole, whole, "{ret:?}");
        let text = String::from_utf8_lossy(&original.text).into_owned();
        match whole {
            true => assert_eq!(text, format!("Received: by us\r\n{content}")),
            false => assert_eq!(text, header),
        }
    }
}
