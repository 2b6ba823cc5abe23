//! Whether the client of a message is still connected.

use std::future::Future;

/// The session's stream, asked whether its client is still there.
pub trait ClientPresence: Send {
    /// A non-blocking read through the session's own stream, so that it is right under TLS; what it
    /// reads is kept for the session. End of file and errors mean gone.
    fn still_there(&mut self) -> impl Future<Output = bool> + Send;
}
