//! Administrators and SMTP logins: who they are, and what they may do.

mod logins;
mod passwords;
mod role;
mod roster;
mod wrong_logins;

pub use logins::{LoginError, Logins};
pub use passwords::{Busy, Passwords};
pub use role::Role;
pub use roster::{CurrentRoster, Roster, RosterPublisher, SmtpLogin};
