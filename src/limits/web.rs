//! Pages and the API.

use std::time::Duration;

use super::AUDITED_ENTRIES;

/// The body of a request of a visitor who is logged in, or of a program with a token.
pub const REQUEST_BODY_BYTES: usize = 1_048_576;
/// The body of a request that needs no login: the form of /setup with two passwords of
/// [`PASSWORD_CHARACTERS_MAX`](super::PASSWORD_CHARACTERS_MAX), each character of which may take twelve bytes. As many of them as there
/// are connections make 8 MiB.
pub const OPEN_BODY_BYTES: usize = 32_768;
/// A request that asks is answered within this, and one that changes something has come whole.
pub const REQUEST_WAIT: Duration = Duration::from_secs(30);
/// A change that was not begun so long after its request is not made: the client gets an error while it still waits.
pub const CHANGE_BEGIN_WAIT: Duration = Duration::from_secs(15);
/// The Retry-After of that error.
pub const CHANGE_RETRY_AFTER: Duration = Duration::from_secs(5);
/// What became of a change is known within this, or the answer says that it is not: less than [`WEB_IDLE`].
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
/// Of them those of one client address (of IPv6 one /64): browsers have up to six each. Listed proxies are exempt.
pub const WEB_CONNECTIONS_PER_CLIENT: usize = 64;
/// Connections beside them that are kept for this machine: health checks get in under any load.
pub const WEB_CONNECTIONS_KEPT: usize = 8;
/// That clients are turned away from the web address is logged at most this often.
pub const WEB_WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// A client that begins a TLS handshake, or the header of a request, ends it within this.
pub const WEB_HEADER_WAIT: Duration = Duration::from_secs(10);
/// The header of a request: longer than any URL and cookie of ours, and little beside a connection.
pub const WEB_HEADER_BYTES: usize = 65_536;
/// A connection on which no answer was written for this long is closed: idle, or too slow to write or to read.
pub const WEB_IDLE: Duration = Duration::from_secs(60);
/// Browsers that follow the live figures at one time: other pages need connections too.
pub const LIVE_LISTENERS: usize = 64;
/// Of them those of one session: dashboards that one person has before them at one time.
pub const LIVE_LISTENERS_PER_SESSION: usize = 4;
/// The live figures are sent this often.
pub const LIVE_INTERVAL: Duration = Duration::from_secs(1);
/// A stream without news for this long gets an empty event, which keeps its connection alive.
pub const LIVE_SILENCE: Duration = Duration::from_secs(15);
/// A stream ends after this, and the browser opens another, so that no stream lasts for ever.
pub const LIVE_STREAM_LIFE: Duration = Duration::from_secs(600);
/// Next hops for single domains on one page; a search finds the others.
pub const NEXT_HOP_ENTRIES_SHOWN: usize = 200;
/// Entries of a list that the page of the audit shows; the API gives all.
pub const AUDITED_ENTRIES_SHOWN: usize = AUDITED_ENTRIES;
/// What another administrator has stored meanwhile is shown up to this: a longer list would hide the sentence.
pub const MEANWHILE_SHOWN_BYTES: usize = 500;
/// Next hops that the dashboard shows: the suspended ones and the busiest.
pub const NEXT_HOPS_SHOWN: usize = 20;
/// Destinations that the dashboard's card of the retry queue shows.
pub const BACKLOGS_SHOWN: usize = 5;
/// Sums over the whole retry queue that the dashboard shows are at most this old: they walk it.
pub const QUEUE_SUMS_AGE: Duration = Duration::from_secs(3);
/// Next hops that the metrics tell apart: ten thousand labels are of no use.
pub const NEXT_HOPS_IN_METRICS: usize = 50;
