//! The history of messages and the figures of each minute as they are stored.

pub(in crate::store) mod chunks;
pub(in crate::store) mod history;
pub(in crate::store) mod prune;
pub(in crate::store) mod read;
pub(in crate::store) mod rows;
pub(in crate::store) mod search;
pub(in crate::store) mod size;
pub(in crate::store) mod source;
pub(in crate::store) mod story;
pub(in crate::store) mod walk;
