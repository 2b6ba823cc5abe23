//! SMTP logins.

use std::time::Duration;

/// SMTP logins that may be kept: all of them are in memory, and in one listing.
pub const SMTP_LOGINS: usize = 1_000;
/// The name of an SMTP login.
pub const SMTP_LOGIN_NAME_BYTES: usize = 64;
/// What is noted about an SMTP login.
pub const SMTP_LOGIN_NOTE_CHARACTERS: usize = 200;
/// The shortest password of an SMTP login: programs use it, and it is not typed by hand.
pub const SMTP_PASSWORD_CHARACTERS_MIN: usize = 8;
/// The longest.
pub const SMTP_PASSWORD_CHARACTERS_MAX: usize = 200;
/// Random letters in a password that we make: 24 of 56 are 139 bits.
pub const MADE_PASSWORD_CHARACTERS: usize = 24;
/// Wrong logins in one session before we say 421 and close: another try does not make a password right.
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
/// How long guesses of strangers at a login's name do not keep out an address from which it was right.
pub const KNOWN_CLIENT_LIFE: Duration = Duration::from_secs(7 * 86_400);
/// Such addresses.
pub const KNOWN_CLIENTS: u64 = 50_000;
/// A login is right or wrong within this, or the client gets 454.
pub const LOGIN_WAIT: Duration = Duration::from_secs(15);
