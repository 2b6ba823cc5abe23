//! Conversations over a pipe, with a stand-in for the paths.

mod authentication;
mod chunking;
mod content;
mod dialogues;
mod limits;
mod memory;
mod receipts;
mod recipient_check;
mod rights;
pub(crate) mod scene;
mod tls;
