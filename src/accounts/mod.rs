//! Administrators and SMTP logins: who they are, and what they may do.

mod passwords;
mod role;

pub use passwords::{Busy, Passwords};
pub use role::Role;
