//! Alerts and their webhook.

use std::time::Duration;

/// The facts behind the alerts are looked at this often: soon enough for a person, and cheap.
pub const ALERT_INTERVAL: Duration = Duration::from_secs(5);
/// The facts are there within this, or count as unknown for this once.
pub const ALERT_FACTS_WAIT: Duration = Duration::from_secs(5);
/// A figure that stays within its bound this long ends an alert, so that one at the bound does not flap.
pub const ALERT_CALM: Duration = Duration::from_secs(60);
/// Bodies hold nearly all of the memory budget this long before it is an alert: a burst is none.
pub const ALERT_MEMORY_HOLD: Duration = Duration::from_secs(60);
/// Suspended next hops with an alert each; the others are counted. When our own way out fails, thousands are.
pub const ALERT_NEXT_HOPS: usize = 50;
/// Connecting to the webhook's server, TLS included.
pub const WEBHOOK_CONNECT_WAIT: Duration = Duration::from_secs(5);
/// One try to tell the webhook, from its name's look-up to the answer.
pub const WEBHOOK_WAIT: Duration = Duration::from_secs(10);
/// Waits between tries to tell the webhook of one alert; the last one repeats.
pub const WEBHOOK_RETRY_WAITS: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];
/// Alerts that wait for the webhook: more than there can be at one time. Beyond it the oldest are given up.
pub const WEBHOOK_PENDING: usize = 128;
/// The webhook's address.
pub const WEBHOOK_URL_BYTES: usize = 2_048;
/// What went wrong with the webhook, as it is kept and shown.
pub const WEBHOOK_PROBLEM_CHARACTERS: usize = 300;
