//! One client's conversation: the loop, states that are consumed, the envelope as it grows, receiving data.
//!
//! A [`SessionConnection`](connection::SessionConnection) holds the stream and every wait; the
//! [`SessionState`](state::SessionState) decides, without waiting, what a command means; the
//! [`Conversation`](conversation::Conversation) carries that out. A message that has arrived whole is
//! given to the paths, which give the reply.

mod alarm;
mod authentication;
mod chunked;
mod connection;
mod content;
mod content_reply;
mod content_start;
mod context;
mod conversation;
mod counters;
mod data;
mod envelope;
mod header_scan;
mod minimum_rate;
mod proxied;
mod receiving;
mod recipient_check;
mod reply_mode;
mod rights;
mod state;
mod step;
mod stream;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use context::{ClientOrigin, SessionContext};
pub use counters::{Count, ReceivingCounters};
pub use stream::Transport;

use crate::path::Answering;
use conversation::Conversation;

/// Speaks SMTP or LMTP with a client until one of us ends it. After `shutdown` no further
/// command is taken: an idle client gets 421, content that is still arriving is given up, and a message
/// that has arrived whole is answered first.
pub async fn run<A: Answering, T: Transport>(
    transport: T,
    origin: ClientOrigin,
    context: Arc<SessionContext<A>>,
    shutdown: CancellationToken,
) {
    let counters = Arc::clone(&context.counters);
    counters.sessions_opened.increment();
    counters.sessions_open.increment();
    let _open = OpenSession(&counters);
    Conversation::new(transport, origin, context, shutdown)
        .hold()
        .await;
}

/// One of the sessions that are open now, also when it ends by a panic.
struct OpenSession<'a>(&'a ReceivingCounters);

impl Drop for OpenSession<'_> {
    fn drop(&mut self) {
        self.0.sessions_open.decrement();
    }
}
