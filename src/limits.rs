//! Every bound of the program, with its unit in the name and its reason beside it.
//!
//! What an administrator may change stands in [`crate::settings`]; the numbers here are the ones
//! nobody should have to think about.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

// ---- Receiving ------------------------------------------------------------------------------------

/// A command line with its CRLF. RFC 5321 §4.5.3.1.4 asks for 512; ESMTP parameters add to it
/// (RFC 1869 §4.1.2), and 2,048 is what the field's servers allow.
pub const COMMAND_LINE_BYTES: usize = 2_048;
/// An AUTH line: RFC 4954 §4 asks for 12,288 bytes of base64.
pub const AUTH_LINE_BYTES: usize = 12_288;
/// A path with its angle brackets, RFC 5321 §4.5.3.1.3.
pub const PATH_BYTES: usize = 256;
/// A local part. RFC 5321 §4.5.3.1.1 says 64, but senders that encode the recipient or an older sender
/// in theirs (VERP, SRS) go beyond it and every relay takes them; the path's own bound holds.
pub const LOCAL_PART_BYTES: usize = PATH_BYTES;
/// A domain, RFC 5321 §4.5.3.1.2.
pub const DOMAIN_BYTES: usize = 255;
/// An ENVID parameter, RFC 3461 §4.4.
pub const ENVELOPE_ID_BYTES: usize = 100;
/// An ORCPT parameter, RFC 3461 §4.2.
pub const ORIGINAL_RECIPIENT_BYTES: usize = 500;
/// A line of text longer than RFC 5321's 998 bytes is passed on unchanged up to here; beyond it the
/// message is refused, because no destination can be expected to take it.
pub const TEXT_LINE_BYTES: usize = 65_536;
/// Recipients of one message. RFC 5321 §4.5.3.1.8 asks for at least 100.
pub const RECIPIENTS: usize = 1_000;
/// Received fields a message may carry before we call it a loop. RFC 5321 §6.3 asks for at least 100.
pub const HOPS: usize = 100;
/// The block of header fields that is looked at for the loop check.
pub const HEADER_BYTES: usize = 262_144;
/// Replies of 5xx to one client before we say 421 and close.
pub const SESSION_ERRORS: u32 = 10;
/// Sessions at one time, over all listeners, where there is memory for them.
pub const SESSIONS: usize = 10_000;
/// Share of the memory, in percent, that sessions may take with what each of them has by itself; what they
/// hold beyond that is in the memory budget, which is another quarter.
pub const SESSIONS_MEMORY_PERCENT: u64 = 25;
/// Memory that one session takes by itself, all in all: see `docs/performance.md` for how it was measured.
/// In the middle of data with its smallest buffers, under TLS, and what the kernel has for its socket.
pub const SESSION_BYTES: u64 = 49_152;
/// Sessions that are allowed however little memory there is.
pub const SESSIONS_MIN: usize = 100;
/// Share of all sessions, in percent, that is kept for clients of trusted networks: strangers must not be
/// able to keep those out whose relay this is.
pub const SESSIONS_KEPT_PERCENT: usize = 10;
/// File descriptors for each session: its socket, and one of a spool file or of a connection to a next hop.
pub const DESCRIPTORS_PER_SESSION: u64 = 2;
/// Sessions at one time from one client address; trusted networks are exempt.
pub const SESSIONS_PER_CLIENT: usize = 50;
/// A whole command line arrives within this. RFC 5321 §4.5.3.2.7 asks for 5 minutes.
pub const COMMAND_WAIT: Duration = Duration::from_secs(300);
/// A reply is taken by the client within this; a client that does not read is cut off.
pub const REPLY_WAIT: Duration = Duration::from_secs(60);
/// The TLS handshake of a client or of a next hop.
pub const TLS_HANDSHAKE_WAIT: Duration = Duration::from_secs(30);
/// Grace before the rate of the data counts.
pub const DATA_RATE_GRACE: Duration = Duration::from_secs(30);
/// Bytes a second, averaged over the data so far, that a client must reach after the grace: a
/// slower one holds a session to no purpose.
pub const DATA_RATE_BYTES_PER_SECOND: u64 = 500;
/// No bytes of data at all for this long ends the session. RFC 5321 §4.5.3.2.8 lets us wait 3 minutes.
pub const DATA_BLOCK_WAIT: Duration = Duration::from_secs(180);
/// The session's read buffer while commands are spoken: ten thousand idle sessions hold ten thousand.
pub const COMMAND_BUFFER_BYTES: usize = 4_096;
/// The most that the session's read buffer grows to while data arrives that is held: as much as a TLS record
/// brings. Larger reads would save little, and memory that was used once comes back slowly.
pub const DATA_BUFFER_BYTES: usize = 16_384;
/// What it begins with at 354: an ordinary message with its header in one read. What a buffer holds beyond
/// it is taken from the memory budget, so that no ordinary message has to ask for it.
pub const DATA_BUFFER_FIRST_BYTES: usize = 8_192;
/// Bytes that are decoded before what does not stay in memory is written away. Line ends that are made
/// canonical may double them.
pub const DECODED_BYTES: usize = 4_096;
/// What the envelope of one message may hold beside the memory budget: a dozen recipients and more.
pub const ENVELOPE_BYTES: u64 = 4_096;
/// Replies that wait to be written together, beyond which they are: a message may have a thousand.
pub const REPLIES_BYTES: usize = 4_096;
/// A client that says nothing for this long gives its session's grown buffers back. Long enough that
/// a busy client's next message finds them as they were.
pub const BUFFER_IDLE: Duration = Duration::from_secs(1);
/// Bytes that are read on to the end of a message that is refused already: beyond it no client is
/// worth waiting for, and the session closes.
pub const READ_ON_BYTES: u64 = 1 << 30;
/// One block of a body is written to the spool, or read from it, within this; a disk that hangs must not hang sessions.
pub const SPOOL_WAIT: Duration = Duration::from_secs(60);
/// A spool file that a row names is read once through within this before it is sent: the largest message
/// from a slow disk.
pub const STORED_FILE_WAIT: Duration = Duration::from_secs(120);
/// After a last reply what the client still sends is read for this long: closing over unread bytes
/// resets the connection, and the reply could be lost with it.
pub const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Bytes of replies that the system keeps for a client that does not read them; it takes twice as much memory
/// for them. A reply has a hundred bytes, and a client that is further behind is waited for.
pub const REPLIES_IN_FLIGHT_BYTES: usize = 32_768;
/// Threads for what blocks: files, passwords, looks into messages. Each takes memory, and a disk is not faster
/// for more of them.
pub const BLOCKING_THREADS: usize = 64;
/// Connections that wait to be accepted.
pub const LISTEN_BACKLOG: i32 = 1_024;
/// Wait before the next accept when the process or the machine is out of file descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Certificate files are read again this often, because renewal replaces them under the same name.
pub const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(3_600);

/// Certificate files are read within this when an administrator names them.
pub const CERTIFICATE_WAIT: Duration = Duration::from_secs(5);

// ---- The message body -----------------------------------------------------------------------------

/// The first piece of a body in memory: most messages fit.
pub const FIRST_CHUNK_BYTES: usize = 4_096;
/// No later piece is larger.
pub const CHUNK_BYTES: usize = 65_536;
/// Bodies up to here are stored inline, in the database's own transaction: no file, no orphan.
/// Measured: 4 KiB inline at 32 a batch is six times faster than a synced file each.
pub const INLINE_BODY_BYTES: u64 = 131_072;
/// One read or write of a spool file.
pub const SPOOL_BLOCK_BYTES: usize = 65_536;
/// The same where the memory budget has nothing for it: slower, and it costs each of ten thousand sessions
/// little.
pub const SPOOL_BLOCK_LEAST_BYTES: usize = 8_192;
/// New mail leaves at least so much of the disk free, or twice the largest message: what is owed may need it.
pub const DISK_RESERVE_BYTES: u64 = 64 * 1_048_576;
/// But never more than this part of the disk: a small one would be of no use otherwise.
pub const DISK_RESERVE_PART: u64 = 8;
/// The ballast, which is given up when the disk is full: room for the databases' logs to begin with.
pub const BALLAST_BYTES: u64 = 16 * 1_048_576;
/// But never more than this part of the disk.
pub const BALLAST_PART: u64 = 16;
/// The disk is looked at this often.
pub const DISK_INTERVAL: Duration = Duration::from_secs(1);
/// Mail that found no room on the disk is an alert for so long: the next look may find room for smaller mail.
pub const DISK_ALERT_HOLD: Duration = Duration::from_secs(60);
/// A row of a queued message with all that belongs to it, as it is counted before it is stored.
pub const STORED_ROW_BYTES: u64 = 4_096;
/// Share of the memory budget, in percent, from which a new message gets 452 before the 354.
pub const BUDGET_REFUSAL_PERCENT: u64 = 95;
/// Share of the memory budget, in percent, that may be held when a stranger asks for more: the rest is for
/// trusted clients, who go on sending while strangers fill what they can.
pub const BUDGET_STRANGERS_PERCENT: u64 = 80;
/// Who waits for a share of the memory budget asks for it this often.
pub const BUDGET_RETRY_WAIT: Duration = Duration::from_millis(50);

// ---- The paths ------------------------------------------------------------------------------------

/// Bodies up to here are sent in one write together with the final dot.
pub const SINGLE_WRITE_BYTES: u64 = 65_536;
/// Groups of one message that are under way at one time on the fast path; the others wait their turn.
pub const GROUPS_AT_ONCE: usize = 64;
/// Entries for single listeners.
pub const LISTENERS: usize = 64;
/// A PROXY protocol header from a proxy. Its specification asks for 3 s at least, for lost packets.
pub const PROXY_HEADER_WAIT: Duration = Duration::from_secs(10);
/// Proxies that speak for one session, one for the other: XCLIENT of whom XCLIENT has named is rare enough.
pub const PROXIES_IN_A_ROW: usize = 8;
/// Cut-through: from RCPT to a connection to its next hop, or to the reply that there is none, all tries
/// together. Clients wait five minutes for this reply (RFC 5321 §4.5.3.2.3).
pub const CUT_THROUGH_CONNECT_WAIT: Duration = Duration::from_secs(100);
/// Cut-through: a next hop's reply to a command. There is no queue that would be more patient.
pub const CUT_THROUGH_REPLY_WAIT: Duration = Duration::from_secs(30);
/// Cut-through: what conditions have to say at the first recipient.
pub const CUT_THROUGH_EXAMINATION_WAIT: Duration = Duration::from_secs(15);
/// Cut-through: between two tries to connect.
pub const CUT_THROUGH_TRY_PAUSE: Duration = Duration::from_secs(1);
/// Cut-through: a client's next command while next hops wait for it with an open transaction. They have
/// other clients, and a next hop has few connections for us.
pub const CUT_THROUGH_COMMAND_WAIT: Duration = Duration::from_secs(60);
/// Cut-through: from the first recipient to DATA, and between all chunks of BDAT, for the same reason: a
/// client may have much to say that leads nowhere. Time that a next hop takes does not count.
pub const CUT_THROUGH_ENVELOPE_WAIT: Duration = Duration::from_secs(600);
/// Cut-through: the least average rate of the data, for the same reason. Time that a next hop takes does
/// not count.
pub const CUT_THROUGH_RATE_BYTES_PER_SECOND: u64 = 4_096;
/// Transactions at next hops that one message opens.
pub const CUT_THROUGH_LEGS: usize = 64;
/// Cut-through: the most that the session's read buffer grows to while data arrives. Each read is a write to
/// every next hop.
pub const CUT_THROUGH_BUFFER_BYTES: usize = 65_536;
/// Cut-through: transactions that a client holds open at one time that is neither trusted nor logged in. A
/// next hop has twenty connections for us, and who sends one message after the other needs one.
pub const CUT_THROUGH_PER_STRANGER: u32 = 5;
/// What our Received field adds to a message at most, for SIZE in MAIL.
pub const RECEIVED_FIELD_BYTES: u64 = 1_024;
/// A next hop's name: a domain, or an address in brackets, with a colon and a port; one that speaks LMTP
/// with its scheme.
pub const NEXT_HOP_NAME_BYTES: usize = DOMAIN_BYTES + 8 + "lmtp://".len();
/// Next hops that an operator may have paused at one time: each look into the queue names them all.
pub const PAUSED_NEXT_HOPS: usize = 1_000;
/// Words of a next hop that are passed on to a client or kept: what large receivers explain, with the link to
/// the remedy at its end.
pub const REPLY_WORDS_BYTES: usize = 4_096;
/// Words of a next hop to all recipients of one attempt together, when they are many.
pub const REPLIES_WORDS_BYTES: usize = 65_536;
/// Words that are kept of each in any case.
pub const REPLY_WORDS_BYTES_LEAST: usize = 400;
/// Life of a fingerprint: as long as mail servers wait before their first retry (Postfix 5 minutes, Exim
/// 15, sendmail up to 30). What an equal message means hours later nobody knows.
pub const FINGERPRINT_LIFE: Duration = Duration::from_secs(30 * 60);
/// A client that has a late reply and stays connected for so long has read it: one that has given up waiting for
/// it closes its connection.
pub const LATE_REPLY_STAY: Duration = Duration::from_secs(2);
/// Fingerprints at one time.
pub const FINGERPRINTS: usize = 100_000;
/// Fingerprints of one client at one time.
pub const FINGERPRINTS_PER_CLIENT: usize = 1_000;
/// After SIGTERM: what is under way is finished or stored within this.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);

// ---- The conditions -------------------------------------------------------------------------------

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
/// Parts of a message that it looks into: more than any program or person makes.
pub const CONTENT_PARTS: usize = 10_000;
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
/// An encoded word of a header field, which RFC 2047 §2 allows 75: who writes a longer one means one.
pub const ENCODED_WORD_BYTES: usize = 1_024;
/// The name of a header field that is asked for or written.
pub const FIELD_NAME_BYTES: usize = 100;
/// Clients whose messages a service has failed in a row, after which it is asked a neutral question before
/// the next message: one client's messages may be of a kind that it is slow with.
pub const SERVICE_DOUBTERS: usize = 3;
/// Failures of a service in a row after which that is done whoever they come from: a relay may have one
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
/// What rspamd is told of a message's recipients: it takes no request with more than 80 KiB of header.
pub const RSPAMD_RECIPIENTS_BYTES: usize = 49_152;
/// Blackhole lists: each is a question about every client.
pub const BLACKHOLE_ZONES: usize = 20;
/// Answers of one blackhole list that count: lists have some dozen kinds.
pub const BLACKHOLE_ANSWERS: usize = 256;
/// The domain of a blackhole list: before it stand up to 32 nibbles of an address with their dots
/// (RFC 5782 §2.4), and a name of the DNS has 253 bytes.
pub const BLACKHOLE_ZONE_BYTES: usize = 253 - 64;
/// Questions to one blackhole list, and senders' domains that are looked up, at one time: half of what one
/// DNS server is asked.
pub const DNS_CHECKS: u32 = 512;
/// What the header of one message may hold beside the memory budget while it is looked into: more than most
/// have. A header of [`HEADER_BYTES`] in very short fields takes megabytes.
pub const DRAFT_BYTES: u64 = 16_384;
/// Milters that a message is shown to, one after the other: each costs a round trip at every stage.
pub const MILTERS: usize = 8;
/// A packet of a milter. Sendmail takes none larger, whatever was negotiated.
pub const MILTER_PACKET_BYTES: usize = 1 << 20;
/// What libmilter takes as one packet; it closes the connection on a larger one, such as a header field.
pub const MILTER_FIELD_BYTES: usize = 65_535;
/// A chunk of a body on its way to a milter: libmilter's MILTER_CHUNK_SIZE, which older ones rely on.
pub const MILTER_CHUNK_BYTES: usize = 65_535;
/// The same where the memory budget has nothing for it.
pub const MILTER_CHUNK_LEAST_BYTES: usize = 8_192;
/// Changes that a milter asks for of one message, chunks of a new body aside.
pub const MILTER_CHANGES: usize = 2_000;
/// Packets to a milter are collected up to this before they are written.
pub const MILTER_WRITE_BYTES: usize = 16_384;
/// Recipients of one message up to which milters may add some: each is a row of the queue, and all of them
/// are in memory. A list that is expanded has fewer; whoever has more gets the message put off.
pub const RECIPIENTS_ADDED_TO: usize = 10_000;
/// What the trail keeps of what the checks of one message said.
pub const EXAMINATION_WORDS_BYTES: usize = 2_000;
/// What one check's words are cut to in a reply, a header field and the trail.
pub const CHECK_WORDS_BYTES: usize = 200;
/// OpenPGP keys that may be kept: all of them are in memory, in a form of one or two kilobytes.
pub const OPENPGP_KEYS: usize = 10_000;
/// One OpenPGP key as it is added: keys with hundreds of signatures of others are no larger.
pub const OPENPGP_KEY_BYTES: usize = 262_144;
/// Addresses and domains that one OpenPGP key may stand for.
pub const OPENPGP_KEY_NAMES: usize = 100;
/// A user id of an OpenPGP key, as it is kept and shown.
pub const OPENPGP_USER_ID_CHARACTERS: usize = 200;
/// OpenPGP keys on one page; a search finds the others.
pub const OPENPGP_KEYS_SHOWN: usize = 200;
/// All copies of one message that is encrypted for several keys: a thousand of the largest would fill the
/// disk, and nobody needs them.
pub const ENCRYPTED_COPIES_BYTES: u64 = 256 << 20;
/// Messages that are encrypted at one time: each has a processor to itself meanwhile.
pub const ENCRYPTIONS_AT_ONCE: usize = 2;
/// All copies of one message are encrypted within this, or the sender is to try again later.
pub const ENCRYPTION_WAIT: Duration = Duration::from_secs(120);
/// Blocks of [`SPOOL_BLOCK_BYTES`] between a message, its encryption and the copy, on either side.
pub const ENCRYPTION_BLOCKS: usize = 2;
/// Recipients that a reply names who have no key.
pub const KEYLESS_NAMED: usize = 3;

/// A filter by which the directory is asked, as an administrator writes it.
pub const LDAP_FILTER_BYTES: usize = 1_000;
/// Its parts: the parser goes down one step for each that stands in another.
pub const LDAP_FILTER_PARTS: usize = 50;
/// The name of an attribute in the directory.
pub const LDAP_ATTRIBUTE_BYTES: usize = 100;
/// The name of an entry in the directory.
pub const DIRECTORY_NAME_BYTES: usize = 1_000;
/// The longest that an answer of the directory is remembered: who is gone is gone within a day.
pub const DIRECTORY_CACHE_SECONDS: u64 = 86_400;
/// What all remembered answers of the directory may hold: some hundred bytes for each address.
pub const DIRECTORY_CACHE_BYTES: u64 = 8 << 20;
/// One message of the directory: an entry, of which two attributes were asked for.
pub const DIRECTORY_MESSAGE_BYTES: usize = 65_536;
/// Messages of the directory in answer to one question: two entries, an end, and references to others.
pub const DIRECTORY_MESSAGES: usize = 50;
/// Values of an entry that are looked at: those that were asked for have one.
pub const DIRECTORY_VALUES: usize = 50;
/// A connection to the directory that is not used for so long is not used again: what stands between
/// us and the directory may have forgotten it without a word.
pub const DIRECTORY_IDLE: Duration = Duration::from_secs(60);
/// A look-up that an administrator tries: it ends before the request that asked for it does.
pub const LOOK_UP_TRY_WAIT: Duration = Duration::from_secs(20);
/// Recipients whose way by the directory is told in the trail.
pub const ROUTES_TOLD: usize = 10;

// ---- The settings ---------------------------------------------------------------------------------

/// Next hops for single domains. All of them are in memory, and whoever changes one has all of them
/// checked, compared and stored: so many, with as many domains as [`DOMAINS`] allows, take well under two
/// seconds at the start, and less for a change.
pub const NEXT_HOP_ENTRIES: usize = 20_000;
/// Domains of one list, for the same reason.
pub const DOMAINS: usize = 100_000;
/// Networks that are trusted: an address is looked for by halving the list, so that a long one costs
/// little; more than a large provider announces.
pub const TRUSTED_NETWORKS: usize = 100_000;
/// Networks of proxies of one kind: each client is compared with all of them.
pub const PROXY_NETWORKS: usize = 1_000;
/// Networks that blackhole lists are not asked about: each client is compared with all of them, some 20 µs.
pub const EXEMPT_NETWORKS: usize = 10_000;
/// Networks of one of the administrator's own conditions: each message is compared with those of all.
pub const OWN_CONDITION_NETWORKS: usize = 1_000;
/// DNS servers that are asked, one after the other: each that does not answer costs [`DNS_TRY_WAIT`].
pub const DNS_SERVERS: usize = 16;
/// Waits of the retry schedule: the last one repeats.
pub const RETRY_WAITS: usize = 100;
/// IPv4 addresses of the Internet that one list may trust before somebody has to say that it is meant: a
/// 256th of all, more than all but a few organisations ever had.
pub const TRUSTED_IPV4_ADDRESSES: u128 = 1 << 24;
/// The same for IPv6, of which only an eighth is given out, and in smaller shares: a /16.
pub const TRUSTED_IPV6_ADDRESSES: u128 = 1 << 112;
/// Networks and domains that a sentence names; the others are counted.
pub const NETWORKS_NAMED: usize = 10;
/// Entries up to which a list stands in the audit as a whole; of a longer one only what came and went.
pub const AUDITED_ENTRIES: usize = 100;
/// The body of a request that changes settings: lists as long as they may be, with names as long as they
/// usually are. Only administrators may send one.
pub const SETTINGS_BODY_BYTES: usize = 16 << 20;
/// A settings file beyond this is none: as much as the API takes.
pub const SETTINGS_FILE_BYTES: u64 = SETTINGS_BODY_BYTES as u64;

// ---- Delivery -------------------------------------------------------------------------------------

/// Recipients in one transaction with a next hop. RFC 5321 §4.5.3.1.8: every server takes 100.
pub const RECIPIENTS_PER_TRANSACTION: usize = 100;
/// An idle connection to a next hop is kept this long: shorter than any peer's own limit.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(5);
/// A connection is reused until it is this old. By time, not by count: a count makes the slowest
/// server of a domain attract most connections.
pub const CONNECTION_AGE: Duration = Duration::from_secs(300);
/// Fast path: establish a connection to one address.
pub const FAST_CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Fast path: the reply to a command.
pub const FAST_COMMAND_WAIT: Duration = Duration::from_secs(10);
/// Fast path: each block of data is taken.
pub const FAST_BLOCK_WAIT: Duration = Duration::from_secs(20);
/// Queue: establish a connection to one address.
pub const QUEUE_CONNECT_WAIT: Duration = Duration::from_secs(30);
/// Fast path: from the first packet to a connection that is ready for MAIL. A server that takes as long for
/// each reply as it may is left to the queue.
pub const FAST_OPENING_WAIT: Duration = Duration::from_secs(20);
/// Queue: the same. RFC 5321 §4.5.3.2.1 lets a greeting take five minutes; servers that let clients wait on
/// purpose do so for some seconds, and who takes a minute has no time for mail.
pub const QUEUE_OPENING_WAIT: Duration = Duration::from_secs(60);
/// Queue: the reply to a command, RFC 5321 §4.5.3.2.
pub const QUEUE_COMMAND_WAIT: Duration = Duration::from_secs(300);
/// Queue: each block of data is taken, RFC 5321 §4.5.3.2.5.
pub const QUEUE_BLOCK_WAIT: Duration = Duration::from_secs(180);
/// After the final dot, on every path, RFC 5321 §4.5.3.2.6.
pub const AFTER_DOT_WAIT: Duration = Duration::from_secs(600);
/// QUIT to a next hop is a courtesy.
pub const QUIT_WAIT: Duration = Duration::from_secs(2);
/// A test of a next hop, from the look-up to its end: an administrator waits for the page.
pub const PROBE_WAIT: Duration = Duration::from_secs(10);
/// A DNS question with all its retries.
pub const DNS_WAIT: Duration = Duration::from_secs(5);
/// A server whose addresses of one family are known waits so long for those of the other.
pub const DNS_FAMILY_WAIT: Duration = Duration::from_millis(250);
/// And exchangers whose addresses are known wait so long for those of others.
pub const DNS_EXCHANGERS_WAIT: Duration = Duration::from_secs(1);
/// Mail exchangers of one domain whose addresses are looked up for one attempt: more than any serious domain
/// has. Of more, half of these are the best, and the others change from one attempt to the next.
pub const EXCHANGERS: usize = 100;
/// Addresses of one next hop that are known at one time: a hundred for each exchanger.
pub const ADDRESSES_KNOWN: usize = 10_000;
/// Those that are tried for one message, while there is time: the next attempt begins with others.
pub const ADDRESSES_TRIED: usize = 200;
/// Addresses of one exchanger that are tried before the exchangers behind it have had their turn.
pub const ADDRESSES_OF_EXCHANGER_FIRST: usize = 3;
/// No further address of a next hop is tried for one message after this: ten that do not answer at all.
/// The next attempt begins with those that did not fail.
pub const ADDRESSES_WAIT: Duration = Duration::from_secs(300);
/// Next hops whose state (pool, breaker, figures) is kept; the least used goes first.
pub const NEXT_HOPS_KEPT: usize = 10_000;
/// A reply of a next hop, all its lines together.
pub const PEER_REPLY_BYTES: usize = 65_536;
/// Failures to connect or greet in a row that open a breaker.
pub const BREAKER_FAILURES: u32 = 3;
/// The first probe of an open breaker.
pub const BREAKER_PROBE_FIRST: Duration = Duration::from_secs(30);
/// A probe that is due this long and that the queue did not make is made by a client's message.
pub const BREAKER_QUEUE_FIRST: Duration = Duration::from_secs(10);
/// The interval between probes doubles up to this.
pub const BREAKER_PROBE_LAST: Duration = Duration::from_secs(300);
/// Content of so many bytes reaches the server's machine whatever the server does: it is no more than the
/// smallest receive windows hold. Of more, the kernel is asked whether it has.
pub const CONTENT_IN_FLIGHT_BYTES: usize = 8_192;
/// An address that failed is tried last for this long, which doubles with each failure in a row.
pub const ADDRESS_PENALTY: Duration = Duration::from_secs(60);
/// It doubles up to this.
pub const ADDRESS_PENALTY_LAST: Duration = Duration::from_secs(3_600);
/// Addresses under a penalty at one time.
pub const ADDRESS_PENALTIES: usize = 10_000;
/// Answers of the DNS that are kept, in bytes: some ten thousand names.
pub const DNS_KEPT_BYTES: u64 = 16 * 1_048_576;
/// Records that the DNS lets be kept for longer are asked for again after this.
pub const DNS_FOUND_AGE: Duration = Duration::from_secs(3_600);
/// That there are none is asked again after this, whatever its zone allows: a name may be made at any time, and
/// until then all its mail would be refused.
pub const DNS_ABSENT_AGE: Duration = Duration::from_secs(300);
/// An administrator's own server is asked for again after this: it moves with its container.
pub const DNS_OWN_AGE: Duration = Duration::from_secs(60);
/// One that is not known is asked for again after this: it may be starting, and its name with it.
pub const DNS_OWN_ABSENT_AGE: Duration = Duration::from_secs(5);
/// Addresses of one family that did not come in time are not waited for again so soon.
pub const DNS_LATE_AGE: Duration = Duration::from_secs(30);
/// The system's resolv.conf and hosts are looked at this often.
pub const DNS_SYSTEM_INTERVAL: Duration = Duration::from_secs(30);
/// A question with EDNS that is not answered by then is asked without it as well.
pub const DNS_EDNS_WAIT: Duration = Duration::from_millis(1_500);
/// Servers that answered only without EDNS are asked without it for so long.
pub const DNS_PLAIN_HOLD: Duration = Duration::from_secs(600);
/// Of the aliases of a name, the resolver follows eight at a time, and so many times.
pub const DNS_ALIAS_ROUNDS: usize = 3;
/// Questions at one time to one DNS server; the resolver's own 32 fails under load.
pub const DNS_QUESTIONS: usize = 1_024;
/// One try of a DNS question, so that a second one fits into [`DNS_WAIT`].
pub const DNS_TRY_WAIT: Duration = Duration::from_secs(2);
/// Pieces of one vectored write (IOV_MAX on Linux); content with more is copied together first.
pub const WRITE_PIECES: usize = 1_024;
/// Pieces that content falls into before it is sent, its dots stuffed: content of nothing but dots would take
/// more memory for them than it takes itself.
pub const STUFFED_PIECES: usize = 256;
/// Content that is converted to 7-bit on its way is converted and sent in pieces of about so many bytes.
pub const CONVERTED_BYTES: usize = 16_384;
/// Latencies of a next hop's attempts count for one to two of these.
pub const LATENCY_WINDOW: Duration = Duration::from_secs(300);
/// Idle connections are looked through this often.
pub const IDLE_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

// ---- The retry queue and the store ----------------------------------------------------------------

/// Changes that wait for the writer; beyond it callers wait.
pub const WRITER_QUEUE: usize = 4_096;
/// Changes in one transaction.
pub const WRITER_BATCH: usize = 512;
/// Bytes of bodies in one transaction: a batch must not take longer than a client waits.
pub const WRITER_BATCH_BYTES: u64 = 16 * 1_048_576;
/// A change nobody waits for (a delivered row's removal) is on the disk at the latest so long after its commit.
pub const WRITER_LAZY_WAIT: Duration = Duration::from_millis(20);
/// A change that found the disk full is tried again this often.
pub const WRITER_RETRY_WAIT: Duration = Duration::from_secs(1);
/// Rows of one INSERT: a statement costs two thread switches however many rows it has.
pub const INSERT_ROWS: usize = 64;
/// Bytes in the write-ahead log after which a checkpoint begins, off the reply's way.
pub const CHECKPOINT_BYTES: u64 = 32 * 1_048_576;
/// But on a small disk already at this part of it.
pub const CHECKPOINT_PART: u64 = 32;
/// Bytes of the log that the writer carries over by itself, between two batches: some milliseconds.
pub const CHECKPOINT_REST_BYTES: u64 = 4 * 1_048_576;
/// Rounds of a checkpoint that follows a busy writer; then the writer waits for the rest.
pub const CHECKPOINT_ROUNDS: usize = 3;
/// A smaller write-ahead log is carried over when nothing was written for this long.
pub const CHECKPOINT_IDLE: Duration = Duration::from_secs(5);
/// The log's file is cut to this length when it is begun anew: overwriting it is cheaper than
/// growing it, but a burst must not hold the disk for ever.
pub const WAL_KEPT_BYTES: u64 = 128 * 1_048_576;
/// But on a small disk to this part of it.
pub const WAL_KEPT_PART: u64 = 16;
/// Connections of each pool of readers; each is a thread.
pub const STORE_READERS: u32 = 4;
/// Another process (a backup, the command line) may hold the database this long.
pub const STORE_BUSY_WAIT: Duration = Duration::from_secs(5);
/// At shutdown the writer drains and the databases close within this, part of `SHUTDOWN_GRACE`.
pub const STORE_CLOSE_WAIT: Duration = Duration::from_secs(4);
/// How often the stored settings are looked at, which a command may have changed: an administrator who
/// just did that is at the next step about then.
pub const STORED_SETTINGS_INTERVAL: Duration = Duration::from_secs(1);
/// How often a backup copies the queue anew because messages were delivered while their contents were
/// copied. Each time there is less left to copy; what goes away even then is left out.
pub const BACKUP_ROUNDS: usize = 4;
/// Next hops and domains for which recipients wait, of which one look has so many.
pub const ROUTES_READ: usize = 500;
/// A clock that is earlier was not set: this program is not that old.
pub const CLOCK_IS_WRONG_BEFORE: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Clocks are corrected by less all the time: more is a step.
pub const CLOCK_CORRECTION: Duration = Duration::from_secs(10);
/// A clock that is set right steps by less; what a moment is later than that was never so.
pub const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(3_600);
/// Rows that one transaction of a bulk action touches.
pub const BULK_CHUNK: usize = 500;
/// Messages that are returned to their senders in one transaction: each brings a report of up to
/// [`REPORT_BODY_BYTES`].
pub const RETURN_CHUNK: usize = 50;
/// A change of the queue that takes longer than this goes on without whoever asked for it; less than
/// [`CHANGE_WAIT`].
pub const ACTION_WAIT: Duration = Duration::from_secs(20);
/// Attempts of the queue under way at one time.
pub const QUEUE_ATTEMPTS: usize = 200;
/// Of them those for next hops that have not answered of late: the other half is for those that have, so
/// that servers which accept connections and say nothing cannot keep everybody's mail waiting.
pub const QUEUE_ATTEMPTS_UNPROVEN: usize = QUEUE_ATTEMPTS / 2;
/// Of these in turn those that have not been greeted yet. Servers that are well greet within a second, so
/// that fifty at a time are thousands in a minute.
pub const QUEUE_ATTEMPTS_UNGREETED: usize = 50;
/// Attempts at one time for one next hop that has not answered of late.
pub const QUEUE_ATTEMPTS_PER_UNPROVEN: usize = 3;
/// Attempts at one time for all next hops together that did not answer when they were tried last: new ones
/// have the rest before them.
pub const QUEUE_ATTEMPTS_SILENT: usize = 25;
/// What a next hop did when it was tried last counts for this long.
pub const ANSWERED_OF_LATE: Duration = Duration::from_secs(3_600);
/// An attempt that has had its place in the queue for this long makes way when the place is wanted: most
/// take a second, and what takes long waits for somebody else.
pub const QUEUE_PLACE_HOLD: Duration = Duration::from_secs(60);
/// Attempts that have made way so: with them there are twice as many as places.
pub const QUEUE_ATTEMPTS_ASIDE: usize = QUEUE_ATTEMPTS;
/// Attempts of the queue under way at one time for one next hop, so that one destination cannot
/// take the whole queue's share of connections from the others.
pub const QUEUE_ATTEMPTS_PER_NEXT_HOP: usize = 20;
/// Attempts for one next hop that may be under way when another message is handed on from memory; one
/// that finds no room waits in the queue like all others.
pub const HANDED_ON_PER_NEXT_HOP: usize = 100;
/// Messages that the queue reads back at one time before their attempts begin.
pub const QUEUE_LOADS: usize = 8;
/// Damaged recipients are looked through for those whose time is over this often at least.
pub const DAMAGED_INTERVAL: Duration = Duration::from_secs(60);
/// Rows that one look into the queue takes for one next hop: each may be an attempt of its own.
pub const QUEUE_ROWS_PER_NEXT_HOP: usize = 20;
/// Rows that one look into the queue takes; the next look follows at once.
pub const QUEUE_ROWS_PER_LOOK: usize = QUEUE_ATTEMPTS;
/// Next hops with due rows that one look into the queue chooses from, those that have waited longest: more
/// than can be known, so that those that answer are not hidden behind those that do not.
pub const QUEUE_NEXT_HOPS_PER_LOOK: usize = 10 * NEXT_HOPS_KEPT;
/// A recipient whose next hop was busy or suspended, and so was not asked, is due again after this.
pub const UNTRIED_WAIT: Duration = Duration::from_secs(2);
/// A recipient that met a paused next hop is due again after this, should nobody resume it before:
/// resuming makes it due at once.
pub const PAUSED_WAIT: Duration = Duration::from_secs(60);
/// The store answers within this, or the message counts as not stored.
pub const STORE_WAIT: Duration = Duration::from_secs(30);
/// An uncertain recipient is not tried again before this.
pub const UNCERTAIN_WAIT: Duration = Duration::from_secs(600);
/// Random part of a retry interval, in percent to either side.
pub const RETRY_JITTER_PERCENT: u64 = 20;
/// A message up to this size is returned whole in a report; of a larger one the header only.
pub const REPORT_BODY_BYTES: u64 = 50 * 1_024;
/// Reports that nothing is lost without (of success, of delay), which a client that is neither trusted nor
/// logged in gets in a row: they go to whom it names as the sender.
pub const STRANGER_REPORTS: u32 = 20;
/// A client that has used them up gets another one this often.
pub const STRANGER_REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// A message that waits this long is reported as delayed when its sender asked for it.
pub const DELAY_REPORT_AFTER: Duration = Duration::from_secs(4 * 3_600);

// ---- The trail ------------------------------------------------------------------------------------

/// Trail entries in one write.
pub const TRAIL_BATCH: usize = 2_000;
/// Figures of hours are kept this long: the month that the dashboard shows, and a day for whole points.
pub const HOURS_KEPT: Duration = Duration::from_secs(31 * 86_400);
/// The history is pruned this often.
pub const TRAIL_PRUNE_INTERVAL: Duration = Duration::from_secs(3_600);
/// One write to the history, or one pruning of it, is given up after this.
pub const HISTORY_WAIT: Duration = Duration::from_secs(60);
/// Names of conditions that the statistics tell apart.
pub const CONDITIONS_COUNTED: usize = 100;
/// Trail entries that wait for the disk; beyond it they are dropped and counted.
pub const TRAIL_QUEUE: usize = 32_768;
/// Trail entries are written together about this often.
pub const TRAIL_INTERVAL: Duration = Duration::from_secs(1);
/// Whoever reads the trail waits so long for what is not written yet.
pub const TRAIL_CATCH_UP: Duration = Duration::from_secs(1);
/// The trail stops when less than this is free: mail comes first.
pub const TRAIL_DISK_FREE_BYTES: u64 = 256 * 1_048_576;
/// Messages of one chunk of the trail's indexes. Smaller: more chunks to visit in a look-up; larger:
/// more pages touched by each batch.
pub const TRAIL_CHUNK_MESSAGES: u64 = 4_096;
/// Events of one chunk, for messages with many recipients.
pub const TRAIL_CHUNK_EVENTS: u64 = 16_384;
/// Chunks of which the messages are counted to say how large the trail is; a trail with more of them is
/// estimated from so many. Some 10 ms of work.
pub const TRAIL_CHUNKS_COUNTED: u64 = 16;
/// The size of the trail is known within this, or the page that shows it does without.
pub const TRAIL_SIZE_WAIT: Duration = Duration::from_secs(3);
/// Searches of the trail by visitors at one time: one reader is left for the figures.
pub const TRAIL_SEARCHES: usize = STORE_READERS as usize - 1;
/// A visitor waits so long for their turn to search the trail.
pub const TRAIL_TURN_WAIT: Duration = Duration::from_secs(5);
/// Whoever got no turn is asked to come back after this: a search takes far less.
pub const TRAIL_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Messages that one page of the trail looks at when no index helps; the page then says where to go on.
/// Some 20 ms of work.
pub const TRAIL_SCAN_MESSAGES: u32 = 20_000;
/// Messages that an index points to and that one page of the trail looks at: each lies on another page
/// of the database, and is visited twice. Some 20 ms of work.
pub const TRAIL_CANDIDATES: u32 = 2_000;
/// Chunks of the trail's indexes that one page visits for an address: a seek each, some 10 µs. More than
/// the trail has until it holds several million messages.
pub const TRAIL_CHUNKS_VISITED: usize = 4_096;
/// Entries of an index that one page reads for an address, none of them with its row. More than the
/// events of two chunks; some 20 ms of work.
pub const TRAIL_ENTRIES_READ: u32 = 40_000;
/// Entries of each index that are read of several chunks together, beside two for each message that is
/// wanted: most of a chunk of messages. Some 3 ms of work.
pub const TRAIL_ROUND_ENTRIES: u32 = 2_500;
/// Recipients of the messages that one page looks at for what happened to each of them; messages with few
/// recipients are not counted. Some 20 ms of work.
pub const TRAIL_RECIPIENTS_CHECKED: u32 = 20_000;
/// Recipients of one message that are few.
pub const TRAIL_RECIPIENTS_FEW: u32 = 10;
/// Recipients that the trail's listing shows of one message; the message's own page shows all.
pub const TRAIL_RECIPIENTS_SHOWN: usize = 10;
/// Events on one page of a message's story: of each of a hundred recipients the newest 20. Some 300 KB.
pub const TRAIL_EVENTS_SHOWN: usize = 2_000;
/// Messages that one transaction prunes.
pub const PRUNE_CHUNK: i64 = 2_000;
/// Transactions of one round of pruning; what is left waits for the next round.
pub const PRUNE_ROUNDS: usize = 200;

// ---- The log --------------------------------------------------------------------------------------

/// Bytes of log lines that wait for the output; beyond it lines are dropped and counted.
pub const LOG_BUFFER_BYTES: usize = 4 << 20;

// ---- The web --------------------------------------------------------------------------------------

/// The body of a request of somebody who was let in.
pub const REQUEST_BODY_BYTES: usize = 1_048_576;
/// The body of a request for which nobody has to log in: the form of /setup with two passwords of
/// [`PASSWORD_CHARACTERS_MAX`], each character of which may take twelve bytes. As many of them as there
/// are connections make 8 MiB.
pub const OPEN_BODY_BYTES: usize = 32_768;
/// A request that asks is answered within this, and one that changes something has come whole.
pub const REQUEST_WAIT: Duration = Duration::from_secs(30);
/// A change that was not begun so long after its request had come is not made: whoever asked for it hears
/// that while they still listen.
pub const CHANGE_BEGIN_WAIT: Duration = Duration::from_secs(15);
/// Whoever hears that may try again after this.
pub const CHANGE_RETRY_AFTER: Duration = Duration::from_secs(5);
/// What became of a change is known within this, or the answer says that it is not: less than
/// [`WEB_IDLE`], so that it can be said.
pub const CHANGE_WAIT: Duration = Duration::from_secs(55);
/// Items on one page of a listing.
pub const PAGE_ITEMS: u32 = 100;
/// Items that a caller may ask for at once.
pub const PAGE_ITEMS_MAX: u32 = 1_000;
/// Destinations in the table of the queue's page; the rest is one line.
pub const DESTINATIONS_SHOWN: u32 = 10;
/// Bytes of a queued message that its source view shows.
pub const SOURCE_BYTES: u64 = 1_048_576;
/// Bytes of a queued message in which its page looks for the header.
pub const HEADER_SHOWN_BYTES: u64 = 65_536;
/// Header fields that the page of a queued message shows.
pub const HEADER_FIELDS_SHOWN: usize = 200;
/// Events of one recipient, the latest ones, that its page shows.
pub const EVENTS_SHOWN: usize = 500;
/// Connections to the web address at one time.
pub const WEB_CONNECTIONS: usize = 256;
/// Of them those of one client address (of IPv6 one /64). A browser has up to six, and several people may
/// sit behind one address; listed proxies are exempt.
pub const WEB_CONNECTIONS_PER_CLIENT: usize = 64;
/// Connections beside them that are kept for this machine: health checks get in whoever else comes.
pub const WEB_CONNECTIONS_KEPT: usize = 8;
/// That clients are turned away from the web address is logged at most this often.
pub const WEB_WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// A client that begins a TLS handshake, or the header of a request, ends it within this.
pub const WEB_HEADER_WAIT: Duration = Duration::from_secs(10);
/// The header of a request: longer than any URL and cookie of ours, and little beside what a connection
/// costs anyway.
pub const WEB_HEADER_BYTES: usize = 65_536;
/// A connection to the web address on which no answer was written for this long is closed: it bounds
/// idle ones, clients that send byte by byte, and clients that do not read.
pub const WEB_IDLE: Duration = Duration::from_secs(60);
/// Browsers that are told the live figures at one time: they hold connections, of which other pages
/// need some too.
pub const LIVE_LISTENERS: usize = 64;
/// Of them those of one session: dashboards that one person has before them at one time.
pub const LIVE_LISTENERS_PER_SESSION: usize = 4;
/// The live figures are told this often.
pub const LIVE_INTERVAL: Duration = Duration::from_secs(1);
/// A listener that heard nothing for this long hears that nothing is to be told: its connection lives.
pub const LIVE_SILENCE: Duration = Duration::from_secs(15);
/// A listener is let go after this and comes back by itself, so that nobody listens for ever.
pub const LIVE_STREAM_LIFE: Duration = Duration::from_secs(600);
/// Next hops for single domains on one page; a search finds the others.
pub const NEXT_HOP_ENTRIES_SHOWN: usize = 200;
/// Entries of a list that the page of the audit shows; the API gives all.
pub const AUDITED_ENTRIES_SHOWN: usize = AUDITED_ENTRIES;
/// What somebody else has typed into a form's field meanwhile is shown up to this: a longer list would
/// hide what the sentence says.
pub const MEANWHILE_SHOWN_BYTES: usize = 500;
/// Next hops that the dashboard shows: the suspended ones and the busiest.
pub const NEXT_HOPS_SHOWN: usize = 20;
/// Destinations that the dashboard's card of the retry queue shows.
pub const BACKLOGS_SHOWN: usize = 5;
/// Sums over the whole retry queue that the dashboard shows are at most this old: they walk it.
pub const QUEUE_SUMS_AGE: Duration = Duration::from_secs(3);
/// Next hops that the metrics tell apart: a label for each of ten thousand helps nobody.
pub const NEXT_HOPS_IN_METRICS: usize = 50;

// ---- Alerts ---------------------------------------------------------------------------------------

/// The facts behind the alerts are looked at this often: soon enough for a person, and cheap.
pub const ALERT_INTERVAL: Duration = Duration::from_secs(5);
/// The facts are there within this, or count as unknown for this once.
pub const ALERT_FACTS_WAIT: Duration = Duration::from_secs(5);
/// A figure that stays within its bound this long ends an alert, so that one at the bound does not flap.
pub const ALERT_CALM: Duration = Duration::from_secs(60);
/// Bodies hold nearly all of the memory budget this long before it is an alert: a burst is none.
pub const ALERT_MEMORY_HOLD: Duration = Duration::from_secs(60);
/// Suspended next hops with an alert of their own; beyond it they are only counted. When a relay's own
/// way out fails, thousands are suspended at once, and nobody reads as many messages.
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
/// Alerts that wait to be told to the webhook; beyond it the oldest are given up. More than there can
/// be at one time, so that each has its place while a server is down.
pub const WEBHOOK_PENDING: usize = 128;
/// The webhook's address.
pub const WEBHOOK_URL_BYTES: usize = 2_048;
/// What went wrong with the webhook, as it is kept and shown.
pub const WEBHOOK_PROBLEM_CHARACTERS: usize = 300;

// ---- Accounts -------------------------------------------------------------------------------------

/// Passwords that are hashed or checked at one time: each takes 19 MiB and a processor for a while.
pub const PASSWORDS_AT_ONCE: usize = 2;
/// A wait for a place to hash or check a password.
pub const PASSWORD_WAIT: Duration = Duration::from_secs(5);
/// Whoever found no place is asked to come back after this: by then those who waited are through.
pub const PASSWORD_RETRY_AFTER: Duration = Duration::from_secs(5);

// ---- SMTP logins ----------------------------------------------------------------------------------

/// SMTP logins that may be kept: all of them are in memory, and in one listing.
pub const SMTP_LOGINS: usize = 1_000;
/// The name of an SMTP login.
pub const SMTP_LOGIN_NAME_BYTES: usize = 64;
/// What is noted about an SMTP login.
pub const SMTP_LOGIN_NOTE_CHARACTERS: usize = 200;
/// The shortest password of an SMTP login: programs use it, nobody has to type it.
pub const SMTP_PASSWORD_CHARACTERS_MIN: usize = 8;
/// The longest.
pub const SMTP_PASSWORD_CHARACTERS_MAX: usize = 200;
/// Random letters in a password that we make: 24 of 56 are 139 bits.
pub const MADE_PASSWORD_CHARACTERS: usize = 24;
/// Wrong logins in one session before we say 421 and close: a client that has a wrong password does
/// not find the right one by trying again.
pub const WRONG_LOGINS_PER_SESSION: u32 = 3;
/// Wrong logins from one client address within [`WRONG_LOGIN_WINDOW`].
pub const WRONG_LOGINS_PER_CLIENT: u32 = 20;
/// Wrong logins for one name within [`WRONG_LOGIN_WINDOW`], from wherever they come.
pub const WRONG_LOGINS_PER_NAME: u32 = 50;
/// A count of wrong logins is forgotten this long after it began.
pub const WRONG_LOGIN_WINDOW: Duration = Duration::from_secs(600);
/// Client addresses, and names, whose wrong logins are counted; those who come seldom go first.
pub const WRONG_LOGIN_COUNTS: u64 = 50_000;
/// A login that was right is taken again without the work of argon2 for this long.
pub const VERIFIED_LOGIN_LIFE: Duration = Duration::from_secs(300);
/// Logins that are remembered so.
pub const VERIFIED_LOGINS: u64 = 10_000;
/// An address from which a login was right is not kept out for this long by what strangers guess at
/// the login's name.
pub const KNOWN_CLIENT_LIFE: Duration = Duration::from_secs(7 * 86_400);
/// Such addresses.
pub const KNOWN_CLIENTS: u64 = 50_000;
/// A login is right or wrong within this, or the client gets 454.
pub const LOGIN_WAIT: Duration = Duration::from_secs(15);
/// Characters of a password that somebody chooses, between the 8 and the 15 that NIST SP 800-63B-4
/// asks for with and without a second factor: tries are limited, and the second factor is there.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// Longer ones are no passwords but mishaps of a clipboard.
pub const PASSWORD_CHARACTERS_MAX: usize = 1_000;
/// Characters of an API token that somebody chooses at the first start: ours have 43, and nothing slows
/// down who guesses at it.
pub const API_TOKEN_CHARACTERS_MIN: usize = 20;
/// The name of an account or of an API token.
pub const ACCOUNT_NAME_BYTES: usize = 64;
/// Accounts at one time: they are listed on one page.
pub const ACCOUNTS: u64 = 1_000;
/// API tokens at one time: they are listed on one page.
pub const API_TOKENS: u64 = 1_000;
/// Sessions of one account at one time; the one that was quiet for longest ends for a further one.
pub const SESSIONS_PER_ACCOUNT: i64 = 20;
/// A session of which nothing was heard for so long has ended.
pub const SESSION_IDLE: Duration = Duration::from_secs(3_600);
/// A session ends at this age however busy it is: a day's work.
pub const SESSION_LIFE: Duration = Duration::from_secs(12 * 3_600);
/// That a session or a token is in use is written down at most this often: it costs a sync.
pub const SEEN_INTERVAL: Duration = Duration::from_secs(60);
/// Recovery codes of an account.
pub const RECOVERY_CODES: usize = 10;
/// Between the password and the one-time code somebody finds their telephone.
pub const LOGIN_TICKET_LIFE: Duration = Duration::from_secs(300);
/// Log-ins that wait for their one-time code at one time.
pub const LOGIN_TICKETS: u64 = 1_000;
/// A second factor that is being switched on is confirmed within this.
pub const ENROLMENT_LIFE: Duration = Duration::from_secs(900);
/// Second factors that are being switched on at one time.
pub const ENROLMENTS: u64 = 1_000;
/// Log-ins that one client address (of IPv6 one /64) may try in a row.
pub const ATTEMPTS_PER_ADDRESS: u32 = 20;
/// A client address that has used them up gets another one this often.
pub const ATTEMPT_PER_ADDRESS_INTERVAL: Duration = Duration::from_secs(10);
/// Log-ins that may be tried in a row for one name, from wherever it is not known.
pub const ATTEMPTS_PER_NAME: u32 = 10;
/// A name that has used them up gets another one this often: 2,880 guesses a day.
pub const ATTEMPT_PER_NAME_INTERVAL: Duration = Duration::from_secs(30);
/// An address from which a name got in is known to it for so long: what strangers try with the name does
/// not keep it out. Whoever looks in once a month stays known.
pub const KNOWN_ADDRESS_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// Such pairs of a name and an address: ten for each of a thousand accounts.
pub const KNOWN_ADDRESSES: u64 = 10_000;
/// One-time codes that may be tried in a row for one account. Three of a million are right at a time.
pub const CODES_PER_ACCOUNT: u32 = 5;
/// An account that has used them up gets another one this often: whoever has the password guesses 288
/// codes a day, and one of them right in three years.
pub const CODE_PER_ACCOUNT_INTERVAL: Duration = Duration::from_secs(300);
