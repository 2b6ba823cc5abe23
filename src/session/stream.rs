//! The bytes to and from a client, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::sock_diag::Ends;

/// What carries a session: a TCP connection, or a pipe in tests.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send {
    /// Where it is from and to; none for a pipe.
    fn ends(&self) -> Option<Ends> {
        None
    }
}

impl Transport for TcpStream {
    fn ends(&self) -> Option<Ends> {
        let (local, remote) = (self.local_addr().ok()?, self.peer_addr().ok()?);
        Some(Ends { local, remote })
    }
}

#[cfg(test)]
impl Transport for tokio::io::DuplexStream {}

#[cfg(test)]
impl<T: Transport> Transport for &mut T {}

#[cfg(test)]
impl<T: Transport> Transport for tokio_rustls::client::TlsStream<T> {}

/// A transport, perhaps under TLS; none after a handshake that failed, when nothing can be said any more. Boxed:
/// most sessions never need the room.
#[derive(Debug)]
pub(super) struct MaybeTlsStream<T>(Option<Carrier<T>>);

/// What carries a session: the transport, or TLS over it.
type Carrier<T> = Either<T, Box<TlsStream<T>>>;

impl<T: Transport> MaybeTlsStream<T> {
    /// As it was accepted.
    pub(super) fn plain(transport: T) -> Self {
        Self(Some(Either::Left(transport)))
    }

    /// The ends of what carries it.
    pub(super) fn ends(&self) -> Option<Ends> {
        match self.0.as_ref()? {
            Either::Left(transport) => transport.ends(),
            Either::Right(stream) => stream.get_ref().0.ends(),
        }
    }

    /// Speaks TLS from here on. The caller bounds it.
    ///
    /// # Errors
    /// When the handshake fails; the stream is lost then.
    pub(super) async fn secure(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let Some(Either::Left(transport)) = self.0.take() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let stream = TlsAcceptor::from(config).accept(transport).await?;
        self.0 = Some(Either::Right(Box::new(stream)));
        Ok(())
    }

    fn carrier(self: Pin<&mut Self>) -> io::Result<Pin<&mut Carrier<T>>> {
        let carrier = self.get_mut().0.as_mut().map(Pin::new);
        carrier.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<T: Transport> AsyncRead for MaybeTlsStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.carrier()?.poll_read(context, buffer)
    }
}

impl<T: Transport> AsyncWrite for MaybeTlsStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.carrier()?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.carrier()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.carrier()?.poll_shutdown(context)
    }
}
