//! How long a client may take to send the header of a request, and how long that may be: whoever
//! begins one and does not go on holds a seat, and memory, before we know who it is.
//!
//! This sees bytes and reads no HTTP: a header ends with an empty line, and whatever comes behind it
//! before an answer is part of a body, or of the next header. Which of the two is not known, so that
//! the next wait after such a request is the short one.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::limits;

/// How an answer begins that is not the last one (RFC 9110 §15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 ";

/// A connection on which headers come in time.
#[derive(Debug)]
pub(super) struct HeaderWait<S> {
    stream: S,
    turn: Turn,
    end: Pin<Box<Sleep>>,
}

/// Whose turn it is.
#[derive(Debug)]
enum Turn {
    /// The client's: a header is to come, or is coming.
    Header(Header),
    /// Ours: it came, and perhaps `more` behind it.
    Answer { more: bool },
    /// An answer was written, or a part of it. The next header may be a while in coming, unless `more`
    /// has come that may be its beginning.
    Answered { more: bool },
}

/// What came of a header.
#[derive(Debug, Default)]
struct Header {
    bytes: usize,
    /// Something else than empty lines, which may stand before a request (RFC 9112 §2.2).
    has_begun: bool,
    /// Something stands in the line that comes now.
    line_has_begun: bool,
}

impl Header {
    /// Takes what came; how many of the bytes belong to the header when that ends among them.
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

impl<S> HeaderWait<S> {
    /// The wait for the first header begins now.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            turn: Turn::Header(Header::default()),
            end: Box::pin(sleep(limits::WEB_HEADER_WAIT)),
        }
    }

    /// The connection itself.
    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    fn begin_wait(&mut self) {
        let end = Instant::now() + limits::WEB_HEADER_WAIT;
        self.end.as_mut().reset(end);
    }

    /// Takes what the client sent.
    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Turn::Answered { more } = self.turn {
            if !more {
                self.begin_wait();
            }
            self.turn = Turn::Header(Header::default());
        }
        let Turn::Header(header) = &mut self.turn else {
            self.turn = Turn::Answer { more: true };
            return Ok(());
        };
        if let Some(length) = header.take(bytes) {
            let more = length < bytes.len();
            self.turn = Turn::Answer { more };
        } else if header.bytes > limits::WEB_HEADER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    /// Takes what we wrote.
    fn wrote(&mut self, poll: &Poll<io::Result<usize>>, bytes: &[u8]) {
        let (Turn::Answer { more } | Turn::Answered { more }) = self.turn else {
            return;
        };
        if matches!(poll, Poll::Ready(Ok(_))) && !bytes.starts_with(CONTINUE) {
            self.turn = Turn::Answered { more };
            self.begin_wait();
        }
    }

    /// The client has only so long for what it is to send.
    const fn is_waiting(&self) -> bool {
        matches!(self.turn, Turn::Header(_) | Turn::Answered { more: true })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeaderWait<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        match poll {
            Poll::Ready(Ok(())) => Poll::Ready(self.came(&buffer.filled()[filled..])),
            Poll::Pending if self.is_waiting() && self.end.as_mut().poll(context).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            poll => poll,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeaderWait<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&poll, bytes);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.wrote(&poll, first.map_or(&[], |slice| &**slice));
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "header_wait_tests.rs"]
mod tests;
