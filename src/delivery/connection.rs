//! One connection to a server: commands and content go out, replies come in, each within its time.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::stream::Stream;
use super::trouble::{Trouble, Wait};
use crate::limits;
use crate::settings::TlsPolicy;
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::Reply;
use crate::smtp::reply_reader::ReplyReader;

/// Most servers' replies to one batch of commands fit.
const RECEIVE_BYTES: usize = 1_024;

/// An open connection. Dropping it closes it: whoever has not come to an orderly end drops it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    received: BytesMut,
    replies: ReplyReader,
    /// Commands that go out with the next write.
    commands: BytesMut,
    /// What the server offers.
    pub(super) capabilities: Capabilities,
    /// Where it is.
    pub(super) peer: SocketAddr,
    /// What it speaks.
    pub(super) protocol: Protocol,
    /// The policy it was opened under.
    pub(super) policy: TlsPolicy,
    /// When it was connected.
    pub(super) opened_at: Instant,
    /// It has carried a transaction before this one.
    pub(super) reused: bool,
    /// The last transaction was left open on the server's side: RSET goes before the next MAIL.
    pub(super) must_reset: bool,
    counted: Counted,
}

/// A connection's share in its next hop's number of open connections.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicU32>);

impl Counted {
    pub(super) fn new(open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        (peer, protocol): (SocketAddr, Protocol),
        policy: TlsPolicy,
        counted: Counted,
    ) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            replies: ReplyReader::new(),
            commands: BytesMut::new(),
            capabilities: Capabilities::default(),
            peer,
            protocol,
            policy,
            opened_at: Instant::now(),
            reused: false,
            must_reset: false,
            counted,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }

    /// What was agreed on for TLS; none without it.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        self.stream.tls()
    }

    /// Nothing came unasked, and nothing is left over from what was asked.
    pub(super) fn is_quiet(&self) -> bool {
        self.received.is_empty() && self.stream.is_quiet()
    }

    /// Takes the socket out, to put TLS around it. None: bytes came behind the reply that allowed it,
    /// which somebody in the middle may have put there, or it is TLS already.
    pub(super) fn into_socket(self) -> Option<(TcpStream, Counted)> {
        match self.stream {
            Stream::Plain(socket) if self.received.is_empty() => Some((socket, self.counted)),
            _ => None,
        }
    }

    /// Where commands are written, to go out with the next write.
    pub(super) fn commands(&mut self) -> &mut BytesMut {
        &mut self.commands
    }

    /// Sends the commands that wait, then `pieces`, in one vectored write where the socket takes it;
    /// `wait` bounds each time that the socket takes some.
    pub(super) async fn send(&mut self, pieces: &[&[u8]], wait: Duration) -> Result<(), Trouble> {
        let mut slices = Vec::with_capacity(pieces.len() + 1);
        slices.push(IoSlice::new(&self.commands));
        slices.extend(pieces.iter().map(|piece| IoSlice::new(piece)));
        let sent = send_all(&mut self.stream, &mut slices, wait).await;
        self.commands.clear();
        sent
    }

    /// The server's next reply.
    pub(super) async fn reply(&mut self, wait: Duration) -> Result<Reply, Trouble> {
        if let Some(reply) = self.replies.next(&mut self.received) {
            return reply.map_err(Trouble::Malformed);
        }
        let deadline = Instant::now() + wait;
        loop {
            self.received.reserve(RECEIVE_BYTES);
            let read = timeout_at(deadline, self.stream.read_buf(&mut self.received));
            match read.await {
                Err(_) => return Err(Trouble::TimedOut(Wait::Reply)),
                Ok(Err(error)) => return Err(Trouble::Broken(error)),
                Ok(Ok(0)) => return Err(Trouble::Closed),
                Ok(Ok(_)) => {}
            }
            if let Some(reply) = self.replies.next(&mut self.received) {
                return reply.map_err(Trouble::Malformed);
            }
        }
    }

    /// The replies to the end of data, one for each recipient that was accepted: over LMTP the server has
    /// one for each (RFC 2033 §4.2), over SMTP one for all. What came before something went wrong, and
    /// what that was.
    pub(super) async fn final_replies(&mut self, accepted: usize) -> (Vec<Reply>, Option<Trouble>) {
        let accepted = accepted.max(1);
        let awaited = match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => accepted,
        };
        let mut replies = Vec::with_capacity(accepted);
        let deadline = Instant::now() + limits::AFTER_DOT_WAIT;
        while replies.len() < awaited {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.reply(left).await {
                Ok(reply) => replies.push(reply),
                Err(trouble) => return (replies, Some(trouble)),
            }
        }
        if let (Protocol::Smtp, Some(reply)) = (self.protocol, replies.first()) {
            replies.resize(accepted, reply.clone());
        }
        (replies, None)
    }

    /// Sends the commands that wait and reads one reply.
    pub(super) async fn ask(&mut self, wait: Duration) -> Result<Reply, Trouble> {
        let sent = self.send(&[], wait).await;
        match (sent, self.reply(wait).await) {
            // A server that hangs up may have said why, even though it did not hear us.
            (_, Ok(reply)) => Ok(reply),
            (Err(trouble), Err(_)) | (Ok(()), Err(trouble)) => Err(trouble),
        }
    }

    /// Takes leave, as a courtesy: whether it is heard does not matter.
    pub(super) async fn quit(mut self) {
        self.commands.clear();
        self.commands.extend_from_slice(b"QUIT\r\n");
        let _ = timeout(limits::QUIT_WAIT, self.ask(limits::QUIT_WAIT)).await;
    }
}

async fn send_all(
    stream: &mut Stream,
    mut slices: &mut [IoSlice<'_>],
    wait: Duration,
) -> Result<(), Trouble> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let sent = within(wait, stream.write_vectored(slices)).await?;
        if sent == 0 {
            return Err(Trouble::Broken(io::ErrorKind::WriteZero.into()));
        }
        IoSlice::advance_slices(&mut slices, sent);
    }
    within(wait, stream.flush()).await
}

async fn within<T>(wait: Duration, io: impl Future<Output = io::Result<T>>) -> Result<T, Trouble> {
    match timeout(wait, io).await {
        Ok(done) => done.map_err(Trouble::Broken),
        Err(_) => Err(Trouble::TimedOut(Wait::Room)),
    }
}
