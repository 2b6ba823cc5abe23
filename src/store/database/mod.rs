//! The two databases: their files, their connections, the one writer of what must not be lost, and how values
//! are stored in columns. Knows no table of anybody's.

pub(in crate::store) mod checkpoint;
pub(in crate::store) mod columns;
pub(in crate::store) mod connections;
pub(in crate::store) mod error;
pub(in crate::store) mod insert;
pub(in crate::store) mod log_growth;
pub(in crate::store) mod log_sync;
pub(in crate::store) mod text_match;
pub(in crate::store) mod transactions;
pub(in crate::store) mod writer;
