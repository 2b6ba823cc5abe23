//! Decides what happens to a message that has arrived whole, and what its client is told.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::message::{DiskReason, Message};
use crate::settings::Settings;
use crate::smtp::reply::Reply;

/// A message that has arrived whole and waits for its reply.
#[derive(Debug)]
pub struct Transaction {
    /// The message.
    pub message: Arc<Message>,
    /// The settings as they were at its MAIL command.
    pub settings: Arc<Settings>,
    /// Why the body touched disk while it arrived.
    pub reasons: Vec<DiskReason>,
    /// When the end of data was read.
    pub ended_at: Instant,
}

/// A session's stream, asked whether its client is still there.
pub trait ClientPresence: Send {
    /// Reads what has arrived without waiting and keeps it; end of file or an error means gone.
    fn still_there(&mut self) -> impl Future<Output = bool> + Send;
}

/// The paths that a message can take.
#[derive(Debug)]
pub struct Paths {}

/// What a client is told about its message.
#[derive(Debug)]
pub struct Answer {
    /// The reply to the end of data.
    pub reply: Reply,
    /// To be told what became of the reply.
    pub receipt: Receipt,
    /// The session closes after the reply.
    pub close: bool,
}

/// Learns whether the reply could be written.
#[derive(Debug)]
pub struct Receipt {}

/// A reply that was written late, so that the client may have given up before.
#[derive(Debug)]
pub struct LateReply {}

impl Paths {
    /// Chooses the path, takes it, and says what the client is told. Bounded by itself.
    pub async fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        _transaction: Transaction,
        _client: &mut C,
        _shutdown: &CancellationToken,
    ) -> Answer {
        Answer {
            reply: Reply::local_error(),
            receipt: Receipt {},
            close: false,
        }
    }
}

impl Receipt {
    /// The reply was given to the socket. A late reply waits for the proof that it was read.
    #[must_use]
    pub fn written(self) -> Option<LateReply> {
        None
    }

    /// The reply could not be written.
    pub async fn not_written(self) {}
}

impl LateReply {
    /// A command came after the reply: the client has read it.
    pub fn was_read(self) {}
}
