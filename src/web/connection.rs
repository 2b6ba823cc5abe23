//! A connection to the web address, which ends when its client only holds its place: when no answer was
//! written on it for long, because the client is idle, sends byte by byte or does not read; when a header
//! takes too long to come, or is too long; and when its place is needed for another connection.
//!
//! This sees bytes and reads no HTTP: a header ends with an empty line, and what comes behind it
//! before an answer is part of a body, or of the next header. Which of the two is not known, so that
//! the next wait after such a request is the short one. The server's own limit for headers is no
//! replacement: it counts the idle time between two requests as a part of the second header.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::connection_limit::ConnectionPermit;
use crate::limits;

/// The beginning of an interim answer, which another one follows (RFC 9110 §15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 ";

/// Plain, or under TLS.
pub(super) type WebStream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection that holds one of the permits.
#[derive(Debug)]
pub(super) struct WebConnection<S = WebStream> {
    stream: S,
    permit: ConnectionPermit,
    phase: Phase,
    /// The time-out for the next header.
    header_end: Pin<Box<Sleep>>,
    /// The time-out for the next write.
    idle_end: Pin<Box<Sleep>>,
}

/// Where the exchange of requests and answers stands.
#[derive(Debug)]
enum Phase {
    /// The client's turn: a header is to come, or is coming.
    Header(HeaderProgress),
    /// Our turn: it came, and perhaps `more` behind it.
    Answer { more: bool },
    /// An answer was written, or a part of it. The next header may be a while in coming, unless `more`
    /// has come that may be its beginning.
    Answered { more: bool },
}

/// What came of a header.
#[derive(Debug, Default)]
struct HeaderProgress {
    bytes: usize,
    /// Something else than empty lines, which may stand before a request (RFC 9112 §2.2).
    has_begun: bool,
    /// Something stands in the line that comes now.
    line_has_begun: bool,
}

impl HeaderProgress {
    /// Takes received bytes, and gives the number of those that belong to the header when it ends among them.
    fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        for (place, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.has_begun && !self.line_has_begun => return Some(place + 1),
                b'\n' => self.line_has_begun = false,
                b'\r' => {}
                _ => (self.has_begun, self.line_has_begun) = (true, true),
            }
        }
        self.bytes += bytes.len();
        None
    }
}

impl<S> WebConnection<S> {
    /// The wait for the first header begins now.
    pub(super) fn new(stream: S, permit: ConnectionPermit) -> Self {
        Self {
            stream,
            permit,
            phase: Phase::Header(HeaderProgress::default()),
            header_end: Box::pin(sleep(limits::WEB_HEADER_WAIT)),
            idle_end: Box::pin(sleep(limits::WEB_IDLE)),
        }
    }

    /// The connection itself.
    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    fn begin_wait(&mut self) {
        let end = Instant::now() + limits::WEB_HEADER_WAIT;
        self.header_end.as_mut().reset(end);
    }

    /// Notes what the client sent.
    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Phase::Answered { more } = self.phase {
            if !more {
                self.begin_wait();
            }
            self.phase = Phase::Header(HeaderProgress::default());
        }
        let Phase::Header(header) = &mut self.phase else {
            self.phase = Phase::Answer { more: true };
            return Ok(());
        };
        if let Some(end) = header.take(bytes) {
            let more = end < bytes.len();
            self.phase = Phase::Answer { more };
        } else if header.bytes > limits::WEB_HEADER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    /// Notes that `bytes`, or a part of them, were written.
    fn wrote(&mut self, poll: &Poll<io::Result<usize>>, bytes: &[u8]) {
        if !matches!(poll, Poll::Ready(Ok(_))) {
            return;
        }
        let idle_end = Instant::now() + limits::WEB_IDLE;
        self.idle_end.as_mut().reset(idle_end);
        if let Phase::Answer { more } | Phase::Answered { more } = self.phase
            && !bytes.starts_with(CONTINUE)
        {
            self.phase = Phase::Answered { more };
            self.begin_wait();
        }
    }

    /// The client has to send a header within its time-out.
    const fn awaits_header(&self) -> bool {
        matches!(
            self.phase,
            Phase::Header(_) | Phase::Answered { more: true }
        )
    }

    /// Passes on what the stream says, but ends the wait when the time is over or the place is needed.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            return poll;
        }
        if self.idle_end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.permit.poll_revoked(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WebConnection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = poll {
            return Poll::Ready(self.came(&buffer.filled()[filled..]));
        }
        if poll.is_pending()
            && self.awaits_header()
            && self.header_end.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.bounded(context, poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WebConnection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&poll, bytes);
        self.bounded(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.wrote(&poll, first.map_or(&[], |slice| &**slice));
        self.bounded(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, poll)
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
