//! What the attempts of the tests are made of: a message, a next hop, a commit point.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::delivery::{AttemptResult, CommitPoint, Delivery, DeliveryRequest, TimeoutProfile};
use crate::message::words::OutcomeKind;
use crate::message::{Message, MessageId, Outcome, testing};
use crate::own_mark::OwnMark;
use crate::settings::next_hop::NextHopPolicy;
use crate::settings::{NextHop, Publisher, Settings, SettingsDocument, TlsPolicy};

pub(super) const PREFIX: &str = "Received: from test\r\n";

/// Delivery under the name relay.example.net, asking these DNS servers.
pub(super) fn delivery_with_dns(dns_servers: Vec<SocketAddr>) -> Arc<Delivery> {
    let written = SettingsDocument {
        dns_servers,
        ..SettingsDocument::default()
    };
    let settings = Settings::new(written).expect("the settings hold");
    let publisher = Publisher::new(settings);
    Delivery::new("relay.example.net".into(), own_mark(), publisher.current())
}

/// The mark of the delivery of all tests here.
pub(super) fn own_mark() -> OwnMark {
    static MARK: std::sync::LazyLock<OwnMark> = std::sync::LazyLock::new(OwnMark::random);
    MARK.clone()
}

pub(super) fn delivery() -> Arc<Delivery> {
    delivery_with_dns(Vec::new())
}

/// A next hop of one connection, so that a second one cannot hide a mistake.
pub(super) fn next_hop(address: SocketAddr) -> NextHop {
    let address = format!("smtp://{address}").parse().expect("an address");
    NextHopPolicy {
        tls: TlsPolicy::Opportunistic,
        connections_max: 1,
        ..NextHopPolicy::default()
    }
    .at(&address)
}

/// A message for a@example.org, b@example.org and so on, as many as asked for.
pub(super) fn message(recipients: usize, content: &str) -> Message {
    let recipients = ('a'..).take(recipients);
    let recipients: Vec<String> = recipients
        .map(|name| format!("{name}@example.org"))
        .collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    Message {
        id: MessageId::from_i64(7),
        prefix: Bytes::from(PREFIX),
        ..testing::message("sender@example.net", &recipients, content.as_bytes())
    }
}

/// The whole message to one next hop, in a hurry.
pub(super) fn request(message: Message, next_hop: NextHop) -> DeliveryRequest {
    DeliveryRequest {
        recipients: (0..message.envelope.recipients.len()).collect(),
        message: Arc::new(message),
        next_hop: Arc::new(next_hop),
        timeouts: TimeoutProfile::Fast,
        busy_wait: Duration::ZERO,
        converts: false,
    }
}

/// A commit point that always says the same, and counts.
#[derive(Default)]
pub(super) struct Gate {
    shut: AtomicBool,
    asked: AtomicU32,
    handed_over: AtomicU32,
}

impl Gate {
    pub(super) fn shut() -> Self {
        let gate = Self::default();
        gate.shut.store(true, Ordering::Relaxed);
        gate
    }

    /// How often it was asked and how often told.
    pub(super) fn counts(&self) -> (u32, u32) {
        let load = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        (load(&self.asked), load(&self.handed_over))
    }
}

impl CommitPoint for Gate {
    async fn may_commit(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        !self.shut.load(Ordering::Relaxed)
    }

    fn handed_over(&self) {
        self.handed_over.fetch_add(1, Ordering::Relaxed);
    }
}

/// The outcomes as `kind code`, and in what order.
pub(super) fn kinds(report: &AttemptResult) -> Vec<String> {
    let in_words = |(index, outcome): &(usize, Outcome)| {
        let kind = match outcome {
            Outcome::Deferred(reason, _) => reason.to_string(),
            _ => outcome.kind().to_string(),
        };
        format!("{index} {kind} {}", outcome.reply().code)
    };
    report.outcomes.iter().map(in_words).collect()
}

pub(super) fn assert_all(report: &AttemptResult, kind: OutcomeKind) {
    for (_, outcome) in &report.outcomes {
        assert_eq!(outcome.kind(), kind, "{outcome:?}");
    }
    assert!(!report.outcomes.is_empty());
}

/// Scripts one behind the other.
pub(super) fn script(parts: &[&str]) -> String {
    parts.concat()
}
