//! Accounts, API tokens, and logins to the pages.

use std::time::Duration;

/// Passwords that are hashed or checked at one time: each takes 19 MiB and a processor for a while.
pub const PASSWORDS_AT_ONCE: usize = 2;
/// A wait for a place to hash or check a password.
pub const PASSWORD_WAIT: Duration = Duration::from_secs(5);
/// The Retry-After when no place was found: by then those who waited are through.
pub const PASSWORD_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Characters of a chosen password, between the 8 and the 15 that NIST SP 800-63B-4
/// asks for with and without a second factor: tries are limited, and the second factor is there.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// Longer ones are no passwords but mishaps of a clipboard.
pub const PASSWORD_CHARACTERS_MAX: usize = 1_000;
/// Characters of an API token that is given at the first start: ours have 43, and guesses are not slowed down.
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
/// The time between password and one-time code: long enough to find a telephone.
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
/// How long strangers' tries with a name do not keep out an address where it got in. A monthly visitor stays known.
pub const KNOWN_ADDRESS_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// Such pairs of a name and an address: ten for each of a thousand accounts.
pub const KNOWN_ADDRESSES: u64 = 10_000;
/// One-time codes that may be tried in a row for one account. Three of a million are right at a time.
pub const CODES_PER_ACCOUNT: u32 = 5;
/// An account that has used them up gets another one this often: 288 a day, one of them right in three years.
pub const CODE_PER_ACCOUNT_INTERVAL: Duration = Duration::from_secs(300);
/// Groups of a password that we make: 100 bits.
pub const SPELLED_PASSWORD_GROUPS: usize = 5;
