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
/// The largest message whose parts the content filter looks into, in memory as a whole: more than the default takes.
pub const CONTENT_BYTES: u64 = 32 << 20;
/// Encoded messages within encoded messages that it looks into.
pub const CONTENT_WRAPPINGS: usize = 3;
/// Messages whose parts it looks into at one time: each takes a thread, and up to four times `CONTENT_BYTES`.
pub const CONTENT_LOOKS: usize = 4;
/// Header fields times rules up to which the session's own task asks the rules: a few milliseconds.
pub const CONTENT_QUESTIONS_INLINE: usize = 20_000;
/// The longest look at one message's parts.
pub const CONTENT_WAIT: Duration = Duration::from_secs(20);
/// The name of a header field that is asked for or written.
pub const FIELD_NAME_BYTES: usize = 100;
/// Clients whose messages a service has failed in a row, after which it is asked a neutral question before
/// the next message: one client's messages may be of a kind that it is slow with.
pub const SERVICE_DOUBTERS: usize = 3;
/// Failures in a row, from any client, before that is done: a relay may have one client only.
pub const SERVICE_FAILURES: u32 = 6;
/// A check that other checks leave less time than this says nothing of its service: just under the least time-out.
pub const SERVICE_FAIR_WAIT: Duration = Duration::from_millis(900);
/// A service that is left alone has so long for a message that passes without its answer: nothing passes untried.
pub const SERVICE_BRIEF_WAIT: Duration = Duration::from_secs(1);
/// The answer to a neutral question: a service that is well gives it in milliseconds, and a message waits.
pub const SERVICE_NEUTRAL_WAIT: Duration = Duration::from_secs(3);
/// All checks of one message together. After a minute or two a client sends the message again.
pub const EXAMINATION_WAIT: Duration = Duration::from_secs(120);
/// The longest pause between neutral questions: messages may pass unchecked meanwhile.
pub const SERVICE_PAUSE: Duration = Duration::from_secs(5);
/// The pause behind a neutral question is so many times as long as its answer took, for which messages wait.
pub const SERVICE_PAUSE_FACTOR: u32 = 10;
/// The answer of a service: longer than any of theirs.
pub const SERVICE_ANSWER_BYTES: usize = 1 << 20;
/// Recipients of a message that are passed to rspamd: it takes no request with more than 80 KiB of header.
pub const RSPAMD_RECIPIENTS_BYTES: usize = 49_152;
/// Blackhole lists: each is a question about every client.
pub const BLACKHOLE_ZONES: usize = 20;
/// Answers of one blackhole list that count: lists have some dozen kinds.
pub const BLACKHOLE_ANSWERS: usize = 256;
/// The domain of a blackhole list: 253 bytes of a DNS name less 32 nibbles of an address with dots (RFC 5782 §2.4).
pub const BLACKHOLE_ZONE_BYTES: usize = 253 - 64;
/// Questions to one blackhole list, and for senders' domains, at one time: half of what one DNS server is asked.
pub const DNS_CHECKS: u32 = 512;
/// A message's header beside the memory budget: more than most have. One of very short fields takes megabytes.
pub const DRAFT_BYTES: u64 = 16_384;
/// What the trail keeps of what the checks of one message said.
pub const EXAMINATION_WORDS_BYTES: usize = 2_000;
/// What one check's words are cut to in a reply, a header field and the trail.
pub const CHECK_WORDS_BYTES: usize = 200;
