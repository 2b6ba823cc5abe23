//! The directory (LDAP).

use std::time::Duration;

/// A filter by which the directory is asked, as an administrator writes it.
pub const LDAP_FILTER_BYTES: usize = 1_000;
/// Its parts: the parser goes down one step for each that is nested in another.
pub const LDAP_FILTER_PARTS: usize = 50;
/// The name of an attribute in the directory.
pub const LDAP_ATTRIBUTE_BYTES: usize = 100;
/// The name of an entry in the directory.
pub const DIRECTORY_NAME_BYTES: usize = 1_000;
/// What all remembered answers of the directory may hold: some hundred bytes for each address.
pub const DIRECTORY_CACHE_BYTES: u64 = 8 << 20;
/// One message of the directory: an entry, of which two attributes were asked for.
pub const DIRECTORY_MESSAGE_BYTES: usize = 65_536;
/// Messages of the directory in answer to one question: two entries, an end, and references to others.
pub const DIRECTORY_MESSAGES: usize = 50;
/// Values of an entry that are looked at: those that were asked for have one.
pub const DIRECTORY_VALUES: usize = 50;
/// A connection to the directory that is idle for so long is not used again: a device on the way may have dropped it.
pub const DIRECTORY_IDLE: Duration = Duration::from_secs(60);
/// A look-up that an administrator tries: it ends before the request that asked for it does.
pub const LOOK_UP_TRY_WAIT: Duration = Duration::from_secs(20);
/// Recipients whose route by the directory is noted in the trail.
pub const ROUTES_TOLD: usize = 10;
