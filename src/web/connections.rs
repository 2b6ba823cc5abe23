//! Connections to the web address: bounded in number, and closed when nothing is answered on them
//! for long, whether the client is idle, sends byte by byte, or does not read.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::limits;
use crate::tls::ServerTls;

/// How a request arrived, as its connection shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// The other end of the connection.
    pub(super) address: SocketAddr,
    /// TLS was spoken.
    pub(super) by_tls: bool,
}

impl Connected<IncomingStream<'_, OpenDoor>> for Arrival {
    fn connect_info(stream: IncomingStream<'_, OpenDoor>) -> Self {
        Self {
            address: *stream.remote_addr(),
            by_tls: matches!(stream.io(), Either::Right(_)),
        }
    }
}

/// The bound web address. A client beyond the bound on connections waits in the system's backlog.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
    places: Arc<Semaphore>,
}

impl Door {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// As the system says: the address is in use, or not ours.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            places: Arc::new(Semaphore::new(limits::WEB_CONNECTIONS)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Opens it to clients that speak HTTP, and to those that speak TLS first.
    pub(super) fn open(self, tls: Arc<ServerTls>) -> OpenDoor {
        OpenDoor {
            door: self,
            tls,
            arriving: JoinSet::new(),
        }
    }

    async fn accept(&mut self) -> (Bounded, SocketAddr) {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        // Accepting goes on after errors, with a pause when descriptors run out.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Without it small answers may wait for an acknowledgement; with it nothing else changes.
        let _ = stream.set_nodelay(true);
        (Bounded::new(stream, place), address)
    }
}

/// Plain, or under TLS.
type Connection = Either<Bounded, Box<TlsStream<Bounded>>>;

/// A door that lets clients in. Both kinds come to one address: the first byte of a TLS handshake is
/// the first byte of no HTTP request. The handshakes go on beside each other, so that a client who
/// takes its time keeps nobody waiting.
#[derive(Debug)]
pub(super) struct OpenDoor {
    door: Door,
    tls: Arc<ServerTls>,
    /// Bounded by the places, of which each has one.
    arriving: JoinSet<io::Result<(Connection, SocketAddr)>>,
}

impl Listener for OpenDoor {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            tokio::select! {
                Some(arrived) = self.arriving.join_next() => {
                    // Who goes away before having said anything is no news.
                    if let Ok(Ok(arrived)) = arrived {
                        return arrived;
                    }
                }
                (stream, address) = self.door.accept() => {
                    let config = self.tls.config();
                    self.arriving.spawn(async move { Ok((begin(stream, config).await?, address)) });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.door.address)
    }
}

/// Waits for the client's first byte, and shakes hands when it is that of TLS. The connection bounds
/// both waits.
async fn begin(mut stream: Bounded, config: Arc<ServerConfig>) -> io::Result<Connection> {
    if stream.first_byte().await? != TLS_HANDSHAKE {
        return Ok(Either::Left(stream));
    }
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    Ok(Either::Right(Box::new(stream)))
}

/// The content type of a handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// A connection that ends when nothing was written to the client for too long.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Bounded {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            end: Box::pin(sleep(limits::WEB_IDLE)),
            _place: place,
        }
    }

    /// The first byte that the client sends, which stays to be read.
    async fn first_byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        poll_fn(|context| {
            let mut buffer = ReadBuf::new(&mut byte);
            let poll = self.stream.poll_peek(context, &mut buffer);
            self.bounded(context, poll)
        })
        .await
        .and_then(|count| match count {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(byte[0]),
        })
    }

    /// Passes on what the stream says, but ends the wait when the time is over.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_pending() && self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        poll
    }

    fn wrote(&mut self, poll: &Poll<io::Result<usize>>) {
        if matches!(poll, Poll::Ready(Ok(_))) {
            self.end.as_mut().reset(Instant::now() + limits::WEB_IDLE);
        }
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.bounded(context, poll)
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&poll);
        self.bounded(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(&poll);
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
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;

    use super::*;

    /// A door that is open, and the certificate that it shows.
    async fn open(directory: &std::path::Path) -> (OpenDoor, TlsConnector) {
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let door = Door::bind(anywhere).await.expect("a port");
        let tls = ServerTls::open(directory, "relay.example.net").expect("a certificate");
        let own = CertificateDer::from_pem_file(directory.join("tls/certificate.pem"));
        let mut roots = RootCertStore::empty();
        roots.add(own.expect("PEM")).expect("it is taken");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("they are known")
            .with_root_certificates(roots)
            .with_no_client_auth();
        (door.open(tls), TlsConnector::from(Arc::new(config)))
    }

    #[tokio::test]
    async fn one_address_is_for_both_and_nobody_waits_for_the_silent() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut door, connector) = open(directory.path()).await;
        let address = door.local_addr().expect("bound");
        let connect = async || TcpStream::connect(address).await.expect("it listens");
        let _silent = connect().await;
        let mut broken = connect().await;
        // The beginning of a handshake, and then something else.
        let rubbish = b"\x16\x03\x01\x00\x05hello";
        broken.write_all(rubbish).await.expect("written");

        let mut plain = connect().await;
        plain.write_all(b"GET").await.expect("written");
        let (mut connection, from) = door.accept().await;
        assert_eq!(from, plain.local_addr().expect("connected"));
        assert!(matches!(connection, Either::Left(_)));
        let mut text = [0; 3];
        connection.read_exact(&mut text).await.expect("three bytes");
        assert_eq!(&text, b"GET", "the first byte is still there");

        let name = "relay.example.net".try_into().expect("a name");
        let secure = connector.connect(name, connect().await);
        let (secure, (mut connection, _)) = tokio::join!(secure, door.accept());
        assert!(matches!(connection, Either::Right(_)));
        let mut secure = secure.expect("a handshake");
        secure.write_all(b"GET").await.expect("written");
        connection.read_exact(&mut text).await.expect("three bytes");
        assert_eq!(&text, b"GET");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_cut_off() {
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let mut door = Door::bind(anywhere).await.expect("a port");
        let client = TcpStream::connect(door.local_address()).await;
        let _client = client.expect("it listens");
        let (mut connection, _) = door.accept().await;
        let began = Instant::now();
        let error = connection.read_u8().await.expect_err("nothing was sent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= limits::WEB_IDLE);
    }
}
