//! The two databases: their files, their connections, and how values are stored in them.

pub(in crate::store) mod checkpoint;
pub(in crate::store) mod columns;
pub(in crate::store) mod connections;
pub(in crate::store) mod error;
pub(in crate::store) mod insert;
pub(in crate::store) mod log_sync;
