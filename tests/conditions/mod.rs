//! Conditions (Figure 4), each decided by the real service behind it: present, a message takes the
//! standard path and the trail names it; absent, it stays on the fast path.

mod antispam;
mod antivirus;
mod content_filter;
mod encryption;
mod ldap;
mod milter;
mod neutral;
mod own;
mod received_for;
mod senders;
mod stage;
mod strangers;
