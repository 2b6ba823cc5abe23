//! What the sessions have counted since the start, for whoever shows it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::smtp::end_of_data::DataFindings;

/// A number that rises, and for some falls again.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything that is counted while mail is received.
#[derive(Debug, Default)]
pub struct ReceivingCounters {
    /// Sessions since the start.
    pub sessions_opened: Count,
    /// Sessions now.
    pub sessions_open: Count,
    /// Clients that got 421 instead of a session: all places were taken, or all of their address.
    pub sessions_refused: Count,
    /// Connections of proxies that ended before a word was said.
    pub proxy_checks: Count,
    /// Sessions that went on under TLS.
    pub tls_sessions: Count,
    /// TLS handshakes that failed.
    pub tls_failures: Count,
    /// Clients that authenticated.
    pub logins: Count,
    /// Tries to authenticate with a wrong name or password.
    pub wrong_logins: Count,
    /// Sessions that ended because the client was too slow or silent.
    pub timeouts: Count,
    /// Replies by the first digit of their code: 2xx, 3xx, 4xx, 5xx.
    pub replies: [Count; 4],
    /// Messages whose end of data was read and that were given to the paths.
    pub messages: Count,
    /// Messages in which a bare CR or LF was made canonical.
    pub messages_normalised: Count,
    /// Bare LF made CRLF.
    pub bare_line_feeds: Count,
    /// Bare CR made a space.
    pub bare_carriage_returns: Count,
    /// Messages refused because the spool did not take them.
    pub spool_failures: Count,
}

impl ReceivingCounters {
    pub(crate) fn replied(&self, code: u16) {
        let class = usize::from(code / 100).saturating_sub(2);
        if let Some(count) = self.replies.get(class) {
            count.increment();
        }
    }

    pub(crate) fn normalised(&self, findings: &DataFindings) {
        if findings.bare_line_feeds + findings.bare_carriage_returns > 0 {
            self.messages_normalised.increment();
            self.bare_line_feeds.add(findings.bare_line_feeds);
            self.bare_carriage_returns
                .add(findings.bare_carriage_returns);
        }
    }
}
