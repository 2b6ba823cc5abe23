//! Settings, accounts, audit and keys as they are stored.

pub(in crate::store) mod access;
pub(in crate::store) mod accounts;
pub(in crate::store) mod api_tokens;
pub(in crate::store) mod offline;
pub(in crate::store) mod openpgp_keys;
pub(in crate::store) mod sessions;
pub(in crate::store) mod settings;
pub(in crate::store) mod smtp_logins;
