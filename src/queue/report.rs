//! Reports to senders: failed and delayed delivery (RFC 3464), as the sender asked for them
//! (RFC 3461), and never about a message that is itself a report.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use memchr::memmem;

use super::attempt::QueuedRow;
use super::{Failed, Failure, Queue, schedule};
use crate::delivery::Report;
use crate::limits;
use crate::message::{
    Body, BodyReader, Client, DiskReason, Envelope, Message, MessageId, Outcome, Recipient,
    Reservation, RowState,
};
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::command::{BodyType, Return};
use crate::smtp::reply::Reply;
use crate::smtp::xtext;
use crate::store::{NewQueued, NewRow};

/// One recipient in a report.
struct Entry<'a> {
    recipient: &'a Recipient,
    /// RFC 3464 §2.3.3.
    action: &'static str,
    /// RFC 3464 §2.3.4.
    status: String,
    /// What a person reads.
    explanation: String,
    reply: &'a Reply,
    retried_until: Option<Timestamp>,
}

impl Queue {
    /// The report on recipients that failed; none when nobody wants one.
    pub(super) async fn failure_report(
        &self,
        message: &Arc<Message>,
        failed: &[Failed],
    ) -> Option<NewQueued> {
        let entries: Vec<Entry<'_>> = failed
            .iter()
            .filter(|one| one.is_reported(message))
            .map(failure_entry)
            .collect();
        self.report(message, &entries, Subject::Failed).await
    }

    /// The report on recipients that wait longer than their sender wants not to know.
    pub(super) async fn delay_report(
        &self,
        message: &Arc<Message>,
        delayed: &[(QueuedRow, Reply)],
    ) -> Option<NewQueued> {
        let entries: Vec<Entry<'_>> = delayed
            .iter()
            .map(|(row, reply)| delay_entry(message, row, reply))
            .collect();
        self.report(message, &entries, Subject::Delayed).await
    }

    /// The report on recipients that were handed on to a server that will not report their delivery,
    /// though the sender asked for it: NOTIFY=SUCCESS (RFC 3461 §5.2.2).
    pub(super) async fn relayed_report(
        &self,
        message: &Arc<Message>,
        attempts: &[&Report],
    ) -> Option<NewQueued> {
        let entries: Vec<Entry<'_>> = attempts
            .iter()
            .filter(|attempt| !attempt.peer_reports)
            .flat_map(|attempt| &attempt.outcomes)
            .filter_map(|(position, outcome)| {
                let recipient = &message.envelope.recipients[*position];
                let asked = recipient.notify.is_some_and(|notify| notify.success);
                match outcome {
                    Outcome::Delivered(reply) if asked => Some(relayed_entry(recipient, reply)),
                    _ => None,
                }
            })
            .collect();
        self.report(message, &entries, Subject::Relayed).await
    }

    async fn report(
        &self,
        message: &Arc<Message>,
        entries: &[Entry<'_>],
        subject: Subject,
    ) -> Option<NewQueued> {
        let to = message.envelope.sender.mailbox()?.clone();
        if entries.is_empty() {
            return None;
        }
        let tools = &self.tools;
        let now = Timestamp::now();
        let id = tools.ids.next(now);
        let (original, whole) = original_of(message, subject).await;
        let headers = Headers {
            id,
            hostname: &tools.hostname,
            to: &to,
            subject,
            now,
        };
        let content = render(&headers, message, entries, &original, whole);
        let eight_bit = !content.is_ascii();
        let settings = tools.settings.snapshot();
        let row = NewRow {
            id: tools.store.allocate_rows(1)[0],
            recipient: Recipient::plain(to.clone()),
            next_hop: Arc::clone(settings.next_hop_for(&to.domain_lowercase()).name()),
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
                    smtputf8: !to.is_ascii(),
                    ret: None,
                    envelope_id: None,
                },
                prefix: Bytes::new(),
                body: Arc::new(in_memory(content, Arc::clone(&tools.budget))),
                content_from: 0,
                for_clause_at: None,
                eight_bit,
                needs_smtputf8: !to.is_ascii(),
            }),
            rows: vec![row],
            expires_at: schedule::expiry(now, &settings),
        })
    }
}

fn in_memory(content: Bytes, budget: Arc<crate::message::MemoryBudget>) -> Body {
    // A report is small and must be written: it may go beyond the budget.
    let mut reservation = Reservation::empty(budget);
    reservation.grow_regardless(content.len() as u64);
    Body::in_memory(vec![content], reservation)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Failed,
    Delayed,
    Relayed,
}

fn failure_entry(failed: &Failed) -> Entry<'_> {
    let reply = &failed.reply;
    let (status, explanation) = match failed.failure {
        Failure::Refused => (status_of(reply, "5.0.0"), "was refused".to_owned()),
        // RFC 3463 §3.5: delivery time expired.
        Failure::Expired => (
            "4.4.7".to_owned(),
            "could not be reached in the time allowed".to_owned(),
        ),
        Failure::RetriesUsedUp => (
            "4.4.7".to_owned(),
            "could not be reached in the number of tries allowed".to_owned(),
        ),
        Failure::Returned => (
            "5.7.1".to_owned(),
            "was returned by the operator of the mail system".to_owned(),
        ),
    };
    Entry {
        recipient: &failed.recipient,
        action: "failed",
        status,
        explanation,
        reply,
        retried_until: None,
    }
}

fn delay_entry<'a>(message: &'a Message, row: &QueuedRow, reply: &'a Reply) -> Entry<'a> {
    Entry {
        recipient: &message.envelope.recipients[row.position],
        action: "delayed",
        status: status_of(reply, "4.0.0"),
        explanation: "has not been reached yet; trying goes on".to_owned(),
        reply,
        retried_until: Some(row.expires_at),
    }
}

fn relayed_entry<'a>(recipient: &'a Recipient, reply: &'a Reply) -> Entry<'a> {
    Entry {
        recipient,
        action: "relayed",
        status: status_of(reply, "2.0.0"),
        explanation: "was handed on to a server that does not report deliveries".to_owned(),
        reply,
        retried_until: None,
    }
}

/// The reply's own enhanced code, else what its class says.
fn status_of(reply: &Reply, otherwise: &str) -> String {
    match reply.enhanced {
        Some(code) => format!("{}.{}.{}", code.class, code.subject, code.detail),
        None => otherwise.to_owned(),
    }
}

/// The original, or its header only: when it is large, when the sender wanted no more (RET=HDRS),
/// and for a delay. Says whether it is the whole.
async fn original_of(message: &Arc<Message>, subject: Subject) -> (Bytes, bool) {
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
    (text.freeze(), whole)
}

/// RFC 2045 §6.2.
fn encoding_of(part: &[u8]) -> &'static str {
    if part.is_ascii() { "7bit" } else { "8bit" }
}

struct Headers<'a> {
    id: MessageId,
    hostname: &'a str,
    to: &'a Mailbox,
    subject: Subject,
    now: Timestamp,
}

/// The report as a message: multipart/report of a text, the machine's part, and the original.
fn render(
    headers: &Headers<'_>,
    message: &Message,
    entries: &[Entry<'_>],
    original: &[u8],
    whole: bool,
) -> Bytes {
    let boundary = format!("report-{}", headers.id);
    let mut words = String::with_capacity(1_024);
    explanation(&mut words, headers, message, entries);
    let mut text = String::with_capacity(2_048);
    head(
        &mut text,
        headers,
        &boundary,
        !original.is_ascii() || !words.is_ascii(),
    );
    let _ = write!(
        text,
        "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: {}\r\n\r\n{words}",
        encoding_of(words.as_bytes())
    );
    let kind = if entries
        .iter()
        .all(|entry| entry.recipient.address.is_ascii())
    {
        "message/delivery-status"
    } else {
        // RFC 6533 §4: addresses beyond ASCII.
        "message/global-delivery-status"
    };
    let _ = write!(text, "\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n");
    status(&mut text, headers, message, entries);
    let kind = if whole {
        "message/rfc822"
    } else {
        "text/rfc822-headers"
    };
    let encoding = encoding_of(original);
    let _ = write!(
        text,
        "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    );
    let mut content = BytesMut::with_capacity(text.len() + original.len() + 64);
    content.put_slice(text.as_bytes());
    content.put_slice(original);
    if !original.ends_with(b"\r\n") {
        content.put_slice(b"\r\n");
    }
    content.put_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    content.freeze()
}

fn head(text: &mut String, headers: &Headers<'_>, boundary: &str, eight_bit: bool) {
    let Headers {
        id, hostname, to, ..
    } = headers;
    let subject = match headers.subject {
        Subject::Failed => "Your message could not be delivered",
        Subject::Delayed => "Your message is delayed",
        Subject::Relayed => "Your message was handed on",
    };
    let date = rfc5322_date(headers.now);
    // RFC 3834 §5: nobody's vacation program answers a report.
    let _ = write!(
        text,
        "From: Mail system <MAILER-DAEMON@{hostname}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n\
         Date: {date}\r\nMessage-ID: <{id}@{hostname}>\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\
         \tboundary=\"{boundary}\"\r\n"
    );
    if eight_bit {
        text.push_str("Content-Transfer-Encoding: 8bit\r\n");
    }
    text.push_str("\r\n");
}

fn explanation(text: &mut String, headers: &Headers<'_>, message: &Message, entries: &[Entry<'_>]) {
    let _ = write!(
        text,
        "This is the mail system at {}.\r\n\r\nYour message of {} (our id {}):\r\n\r\n",
        headers.hostname,
        rfc5322_date(message.received_at),
        message.id,
    );
    for entry in entries {
        let _ = write!(
            text,
            "<{}> {}.\r\n    The last answer was: {}\r\n\r\n",
            entry.recipient.address,
            entry.explanation,
            entry.reply.passed_words(),
        );
    }
    text.push_str(match headers.subject {
        Subject::Failed => "It will not be tried again.\r\n",
        Subject::Delayed => "You need not do anything now.\r\n",
        Subject::Relayed => "No further report will come unless it fails there.\r\n",
    });
}

/// RFC 3464 §2: the fields of the message, then those of each recipient.
fn status(text: &mut String, headers: &Headers<'_>, message: &Message, entries: &[Entry<'_>]) {
    if let Some(envelope_id) = &message.envelope.envelope_id {
        let _ = write!(text, "Original-Envelope-Id: {}\r\n", plain(envelope_id));
    }
    let _ = write!(
        text,
        "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n",
        headers.hostname,
        rfc5322_date(message.received_at)
    );
    for entry in entries {
        text.push_str("\r\n");
        if let Some((kind, address)) = entry
            .recipient
            .original_recipient
            .as_deref()
            .and_then(|original| original.split_once(';'))
        {
            let _ = write!(text, "Original-Recipient: {kind};{}\r\n", plain(address));
        }
        let address = &entry.recipient.address;
        let kind = if address.is_ascii() {
            "rfc822"
        } else {
            "utf-8"
        };
        let _ = write!(
            text,
            "Final-Recipient: {kind};{address}\r\nAction: {}\r\nStatus: {}\r\n\
             Diagnostic-Code: smtp;{}\r\n",
            entry.action,
            entry.status,
            entry.reply.passed_words(),
        );
        if let Some(until) = entry.retried_until {
            let _ = write!(text, "Will-Retry-Until: {}\r\n", rfc5322_date(until));
        }
    }
}

/// Decoded xtext that cannot begin a field of its own.
fn plain(xtext: &str) -> String {
    let decoded = xtext::decode(xtext).unwrap_or_else(|| xtext.to_owned());
    decoded.chars().filter(|c| !c.is_control()).collect()
}

fn rfc5322_date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%a, %d %b %Y %H:%M:%S %z")
        .to_string()
}
