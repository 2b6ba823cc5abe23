//! Reports to senders: failed and delayed delivery (RFC 3464), as the sender asked for them
//! (RFC 3461), and never about a message that is itself a report.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use memchr::memmem;

use super::attempt::QueuedRow;
use super::dsn_text::{Original, Report, ReportEntry, ReportedAddress, Subject};
use super::{Failed, FailureReason, LeftOut, Queue, schedule};
use crate::delivery::AttemptResult;
use crate::limits;
use crate::message::trail::RecipientEvent;
use crate::message::{
    Body, BodyReader, Client, DiskReason, Envelope, Message, Outcome, Recipient, Reservation,
    RowState,
};
use crate::smtp::address::ReversePath;
use crate::smtp::command::{BodyType, Return};
use crate::smtp::reply::Reply;
use crate::store::{NewQueued, NewRow};

impl Queue {
    /// The report on recipients that failed; none when nobody wants one.
    pub(super) async fn failure_report(
        &self,
        message: &Arc<Message>,
        failed: &[Failed],
    ) -> Option<NewQueued> {
        self.lost_report(message, failed, &[]).await
    }

    /// The same with those of whom only a text is left that is no address, and why they failed.
    pub(super) async fn lost_report(
        &self,
        message: &Arc<Message>,
        failed: &[Failed],
        unreadable: &[(String, Reply)],
    ) -> Option<NewQueued> {
        let readable = failed.iter().filter(|one| one.is_reported(message));
        let unreadable = unreadable
            .iter()
            .map(|(text, reply)| unreadable_entry(text, reply));
        let entries: Vec<ReportEntry<'_>> = readable.map(failure_entry).chain(unreadable).collect();
        self.report(message, &entries, Subject::Failed).await
    }

    /// The report on recipients that wait longer than their sender wants not to know; none when its client
    /// has had enough of them.
    pub(super) async fn delay_report(
        &self,
        message: &Arc<Message>,
        delayed: &[(QueuedRow, Reply)],
    ) -> Option<NewQueued> {
        let settings = self.tools.settings.snapshot();
        let entries: Vec<ReportEntry<'_>> = delayed
            .iter()
            .map(|(row, reply)| {
                let until = schedule::expiry(row.kept_from, &settings);
                delay_entry(message, row, reply, until)
            })
            .collect();
        if !entries.is_empty() && !self.may_write_courtesy(message) {
            tracing::debug!(id = %message.id, "no report of the delay: its client has had many");
            return None;
        }
        self.report(message, &entries, Subject::Delayed).await
    }

    /// The report on recipients that were handed on to a server that will not report their delivery,
    /// though the sender asked for it: NOTIFY=SUCCESS (RFC 3461 §5.2.2).
    ///
    /// # Errors
    /// When its client has had enough of them, which is put down for each recipient.
    pub(super) async fn relayed_report(
        &self,
        message: &Arc<Message>,
        attempts: &[&AttemptResult],
    ) -> Result<Option<NewQueued>, LeftOut> {
        let relayed: Vec<(&Recipient, &Reply)> = attempts
            .iter()
            .filter(|attempt| !attempt.peer_reports)
            .flat_map(|attempt| &attempt.outcomes)
            .filter_map(|(position, outcome)| {
                let recipient = &message.envelope.recipients[*position];
                let asked = recipient.notify.is_some_and(|notify| notify.success);
                match outcome {
                    Outcome::Delivered(reply) if asked => Some((recipient, reply)),
                    _ => None,
                }
            })
            .collect();
        let reports = message.envelope.sender.mailbox().is_some() && !relayed.is_empty();
        if reports && !self.may_write_courtesy(message) {
            for (recipient, _) in relayed {
                self.note(message.id, recipient, RecipientEvent::NotReported, "");
            }
            return Err(LeftOut);
        }
        let entry = |(recipient, reply)| relayed_entry(recipient, reply);
        let entries: Vec<ReportEntry<'_>> = relayed.into_iter().map(entry).collect();
        Ok(self.report(message, &entries, Subject::Relayed).await)
    }

    async fn report(
        &self,
        message: &Arc<Message>,
        entries: &[ReportEntry<'_>],
        subject: Subject,
    ) -> Option<NewQueued> {
        let to = message.envelope.sender.mailbox()?.clone();
        if entries.is_empty() {
            return None;
        }
        let tools = &self.tools;
        let now = Timestamp::now();
        let id = tools.ids.next(now);
        let report = Report {
            id,
            hostname: &tools.hostname,
            to: &to,
            subject,
            now,
            message,
            entries,
        };
        let content = report.render(&original_of(message, subject).await);
        let eight_bit = !content.is_ascii();
        let settings = tools.settings.snapshot();
        let row = NewRow {
            id: tools.store.allocate_rows(1)[0],
            recipient: Recipient::plain(to.clone()),
            next_hop: Arc::clone(settings.next_hop_for(&to.lookup_domain()).name()),
            state: RowState::Waiting,
            reason: DiskReason::StandardPath,
            attempts: 0,
            last_reply: String::new(),
            next_attempt_at: now,
        };
        Some(NewQueued {
            message: Arc::new(Message {
                id,
                received_at: now,
                client: Client {
                    address: None,
                    helo: Arc::clone(&tools.hostname),
                    login: None,
                },
                envelope: Envelope {
                    sender: ReversePath::Null,
                    recipients: vec![row.recipient.clone()],
                    body_type: if eight_bit {
                        BodyType::EightBitMime
                    } else {
                        BodyType::SevenBit
                    },
                    smtputf8: to.needs_smtputf8(),
                    ret: None,
                    envelope_id: None,
                },
                prefix: Bytes::new(),
                body: Arc::new(in_memory(content, Arc::clone(&tools.budget))),
                content_from: 0,
                for_clause_at: None,
                eight_bit,
                needs_smtputf8: to.needs_smtputf8(),
            }),
            rows: vec![row],
            kept_from: now,
        })
    }
}

fn in_memory(content: Bytes, budget: Arc<crate::message::MemoryBudget>) -> Body {
    // A report is small and must be written: it may go beyond the budget.
    let mut reservation = Reservation::empty(budget);
    reservation.grow_regardless(content.len() as u64);
    Body::in_memory(vec![content], reservation)
}

const LOST: &str = "did not get it: it was damaged in the storage of this mail system, and its content is \
                    lost; what is left of its header follows";
const UNREADABLE: &str = "is what can be read of a recipient who did not get it: the entry was damaged in the \
                      storage of this mail system";

fn failure_entry(failed: &Failed) -> ReportEntry<'_> {
    let (status, explanation) = match failed.failure {
        FailureReason::Refused => (None, "was refused"),
        // RFC 3463 §3.5: delivery time expired.
        FailureReason::Expired => (Some("4.4.7"), "could not be reached in the time allowed"),
        FailureReason::RetriesUsedUp => {
            let explanation = "could not be reached in the number of tries allowed";
            (Some("4.4.7"), explanation)
        }
        FailureReason::Returned => {
            let explanation = "was returned by the operator of the mail system";
            (Some("5.7.1"), explanation)
        }
        // RFC 3463 §3.4: other or undefined mail system status.
        FailureReason::Lost => (Some("5.3.0"), LOST),
    };
    let entry = entry(
        "failed",
        &failed.recipient,
        &failed.reply,
        "5.0.0",
        explanation,
    );
    ReportEntry {
        status: status.map_or(entry.status, str::to_owned),
        ..entry
    }
}

/// Whom a row was for that is damaged itself.
fn unreadable_entry<'a>(text: &'a str, reply: &'a Reply) -> ReportEntry<'a> {
    let printable = text.chars().filter(|letter| !letter.is_control());
    let short = printable.take(limits::PATH_BYTES).collect();
    ReportEntry {
        address: ReportedAddress::Unreadable(short),
        original: None,
        action: "failed",
        status: "5.3.0".to_owned(),
        explanation: UNREADABLE,
        reply,
        retried_until: None,
    }
}

fn delay_entry<'a>(
    message: &'a Message,
    row: &QueuedRow,
    reply: &'a Reply,
    until: Timestamp,
) -> ReportEntry<'a> {
    let recipient = &message.envelope.recipients[row.position];
    let explanation = "has not been reached yet; trying goes on";
    ReportEntry {
        retried_until: Some(until),
        ..entry("delayed", recipient, reply, "4.0.0", explanation)
    }
}

fn relayed_entry<'a>(recipient: &'a Recipient, reply: &'a Reply) -> ReportEntry<'a> {
    let explanation = "was handed on to a server that does not report deliveries";
    entry("relayed", recipient, reply, "2.0.0", explanation)
}

/// Its status is the reply's own enhanced code, else what its class says.
fn entry<'a>(
    action: &'static str,
    recipient: &'a Recipient,
    reply: &'a Reply,
    otherwise: &str,
    explanation: &'static str,
) -> ReportEntry<'a> {
    ReportEntry {
        address: ReportedAddress::Known(&recipient.address),
        original: recipient.original_recipient.as_deref(),
        action,
        status: match reply.enhanced {
            Some(code) => format!("{}.{}.{}", code.class, code.subject, code.detail),
            None => otherwise.to_owned(),
        },
        explanation,
        reply,
        retried_until: None,
    }
}

/// The original, or its header only: when it is large, when the sender wanted no more (RET=HDRS),
/// and for a delay.
async fn original_of(message: &Arc<Message>, subject: Subject) -> Original {
    let whole = subject == Subject::Failed
        && message.envelope.ret != Some(Return::Headers)
        && message.content_bytes() <= limits::REPORT_BODY_BYTES;
    let mut text = BytesMut::from(&message.prefix[..]);
    let mut reader = BodyReader::new(Arc::clone(message));
    while whole || text.len() < limits::HEADER_BYTES {
        match reader.next().await {
            Ok(Some(block)) => text.extend_from_slice(&block),
            Ok(None) => break,
            Err(error) => {
                // The report matters more than the copy in it.
                tracing::warn!(id = %message.id, %error, "the original cannot be read for its report");
                break;
            }
        }
    }
    if !whole {
        let end = memmem::find(&text, b"\r\n\r\n").map_or(text.len(), |end| end + 2);
        text.truncate(end.min(limits::HEADER_BYTES));
    }
    Original {
        text: text.freeze(),
        whole,
    }
}

#[cfg(test)]
#[path = "dsn_tests.rs"]
mod tests;
