//! Conditions, and the services that they ask.

use std::time::Duration;

/// A regular expression that an administrator writes.
pub const PATTERN_BYTES: usize = 2_000;
/// The same as it is searched with: `(a{1000}){1000}` is short as well.
pub const PATTERN_COMPILED_BYTES: usize = 1 << 20;
/// Conditions of the administrator's own: each is looked at for every message.
pub const OWN_CONDITIONS: usize = 50;
/// Rules of the content filter: one message may be asked about all of them.
pub const CONTENT_RULES: usize = 200;
/// The name of one of them.
pub const RULE_NAME_CHARACTERS: usize = 60;
/// The largest message whose parts the content filter looks into: each that it looks into is in memory
/// as a whole. More than the largest message that is taken by default.
pub const CONTENT_BYTES: u64 = 32 << 20;
/// Encoded messages within encoded messages that it looks into.
pub const CONTENT_WRAPPINGS: usize = 3;
/// Messages whose parts it looks into at one time: each takes a thread, and up to four times
/// `CONTENT_BYTES`.
pub const CONTENT_LOOKS: usize = 4;
/// Header fields times rules up to which the rules are asked in the session's own task: a few
/// milliseconds.
pub const CONTENT_QUESTIONS_INLINE: usize = 20_000;
/// The longest look at one message's parts.
pub const CONTENT_WAIT: Duration = Duration::from_secs(20);
/// The name of a header field that is asked for or written.
pub const FIELD_NAME_BYTES: usize = 100;
/// Clients whose messages a service has failed in a row, after which it is asked a neutral question before
/// the next message: one client's messages may be of a kind that it is slow with.
pub const SERVICE_DOUBTERS: usize = 3;
/// Failures of a service in a row after which that is done from any client: a relay may have one
/// client only, and its messages must not wait for a service that is gone.
pub const SERVICE_FAILURES: u32 = 6;
/// A wait that is cut off sooner, because other checks have used the message's time up, says nothing of
/// the service, and is no check. A little less than the shortest time-out that can be set.
pub const SERVICE_FAIR_WAIT: Duration = Duration::from_millis(900);
/// A service that is left alone has so long for a message that passes without its answer: nothing passes untried.
pub const SERVICE_BRIEF_WAIT: Duration = Duration::from_secs(1);
/// The answer to a neutral question: a service that is well gives it in milliseconds, and a message waits.
pub const SERVICE_NEUTRAL_WAIT: Duration = Duration::from_secs(3);
/// All checks of one message together. A client that has waited a minute or two sends it again beside the
/// one that is still being looked into.
pub const EXAMINATION_WAIT: Duration = Duration::from_secs(120);
/// The longest that a service is left alone that has failed a neutral question, before it is asked another
/// one. Messages may pass unchecked meanwhile, so that it is short.
pub const SERVICE_PAUSE: Duration = Duration::from_secs(5);
/// How often the time that a neutral question took fits into the pause behind it: messages wait for the
/// answer, and one that comes at once, such as a refused connection, is waited for by none.
pub const SERVICE_PAUSE_FACTOR: u32 = 10;
/// The answer of a service: longer than any of theirs.
pub const SERVICE_ANSWER_BYTES: usize = 1 << 20;
/// Recipients of a message that are passed to rspamd: it takes no request with more than 80 KiB of header.
pub const RSPAMD_RECIPIENTS_BYTES: usize = 49_152;
/// Blackhole lists: each is a question about every client.
pub const BLACKHOLE_ZONES: usize = 20;
/// Answers of one blackhole list that count: lists have some dozen kinds.
pub const BLACKHOLE_ANSWERS: usize = 256;
/// The domain of a blackhole list: before it come up to 32 nibbles of an address with their dots
/// (RFC 5782 §2.4), and a name of the DNS has 253 bytes.
pub const BLACKHOLE_ZONE_BYTES: usize = 253 - 64;
/// Questions to one blackhole list, and senders' domains that are looked up, at one time: half of what one
/// DNS server is asked.
pub const DNS_CHECKS: u32 = 512;
/// What the header of one message may hold beside the memory budget while it is looked into: more than most
/// have. A header of [`HEADER_BYTES`](super::HEADER_BYTES) in very short fields takes megabytes.
pub const DRAFT_BYTES: u64 = 16_384;
/// What the trail keeps of what the checks of one message said.
pub const EXAMINATION_WORDS_BYTES: usize = 2_000;
/// What one check's words are cut to in a reply, a header field and the trail.
pub const CHECK_WORDS_BYTES: usize = 200;
