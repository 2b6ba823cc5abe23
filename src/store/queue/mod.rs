//! The retry queue as it is stored.

pub(in crate::store) mod actions;
pub(in crate::store) mod anew;
pub(in crate::store) mod choice;
pub(in crate::store) mod damaged;
pub(in crate::store) mod destinations;
pub(in crate::store) mod detail;
pub(in crate::store) mod due;
pub(in crate::store) mod figures;
pub(in crate::store) mod filter;
pub(in crate::store) mod listing;
pub(in crate::store) mod load;
pub(in crate::store) mod plan;
pub(in crate::store) mod rows;
pub(in crate::store) mod write;
