//! Conversations over a pipe, with a stand-in for the paths.

mod chunking;
mod content;
mod dialogues;
mod limits;
mod receipts;
pub(crate) mod scene;
mod tls;
