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

/// A transport, perhaps under TLS.
#[derive(Debug)]
pub(super) enum MaybeTlsStream<T> {
    /// As it was accepted.
    Plain(T),
    /// After STARTTLS. Boxed: most sessions never need the room.
    Tls(Box<TlsStream<T>>),
    /// A handshake failed, and nothing can be said any more.
    Lost,
}

impl<T: Transport> MaybeTlsStream<T> {
    /// The ends of what carries it.
    pub(super) fn ends(&self) -> Option<Ends> {
        match self {
            Self::Plain(transport) => transport.ends(),
            Self::Tls(stream) => stream.get_ref().0.ends(),
            Self::Lost => None,
        }
    }

    /// Speaks TLS from here on. The caller bounds it.
    ///
    /// # Errors
    /// When the handshake fails; the stream is lost then.
    pub(super) async fn secure(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        match std::mem::replace(self, Self::Lost) {
            Self::Plain(transport) => {
                let stream = TlsAcceptor::from(config).accept(transport).await?;
                *self = Self::Tls(Box::new(stream));
                Ok(())
            }
            Self::Tls(_) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl<T: Transport> AsyncRead for MaybeTlsStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(transport) => Pin::new(transport).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<T: Transport> AsyncWrite for MaybeTlsStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(transport) => Pin::new(transport).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(transport) => Pin::new(transport).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Lost => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(transport) => Pin::new(transport).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Lost => Poll::Ready(Ok(())),
        }
    }
}
