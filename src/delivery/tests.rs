//! Attempts against scripted servers on the loopback interface.

mod answers;
mod content;
mod dialogues;
mod disagreement;
mod failures;
mod names;
mod probe;
mod reuse;
mod scene;
pub(crate) mod scripted_server;
mod secured;
