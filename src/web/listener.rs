//! The listener of the web address: takes connections within the limit, plain and under TLS.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use tracing::warn;

use super::connection::{WebConnection, WebStream};
use super::connection_limit::{ConnectionLimit, ConnectionPermit};
use crate::limits;
use crate::settings::Current;
use crate::tls::ServerTls;

/// The answer to a client beyond the limit.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\n\
    Content-Length: 21\r\n\r\ntoo many connections\n";
/// The content type of a handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// The other end of the connection that a request came on.
#[derive(Clone, Copy, Debug)]
pub(super) struct WebPeer {
    /// The other end of the connection.
    pub(super) address: SocketAddr,
    /// TLS was spoken.
    pub(super) by_tls: bool,
}

impl Connected<IncomingStream<'_, HttpListener>> for WebPeer {
    fn connect_info(stream: IncomingStream<'_, HttpListener>) -> Self {
        Self {
            address: *stream.remote_addr(),
            by_tls: matches!(stream.io().stream(), Either::Right(_)),
        }
    }
}

/// The bound web address.
#[derive(Debug)]
pub struct WebListener {
    listener: TcpListener,
    address: SocketAddr,
    limit: ConnectionLimit,
    /// When the log last said that a client was refused.
    warned_at: Option<Instant>,
}

impl WebListener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// As the system says: the address is in use, or not ours.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            limit: ConnectionLimit::new(),
            warned_at: None,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Opens it to clients that speak HTTP, and to those that speak TLS first.
    pub(super) fn open(self, tls: Arc<ServerTls>, settings: Current) -> HttpListener {
        HttpListener {
            listener: self,
            tls,
            settings,
            arriving: JoinSet::new(),
        }
    }

    /// The next client within the limit. The others do not wait in the system's backlog: behind them this
    /// machine would wait as well.
    async fn admit(&mut self, settings: &Current) -> (TcpStream, ConnectionPermit, SocketAddr) {
        loop {
            // Accepting goes on after errors, with a pause when descriptors run out.
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let ip = address.ip().to_canonical();
            let is_listed_proxy = settings.snapshot().is_web_proxy(ip);
            if let Some(permit) = self.limit.take(ip, is_listed_proxy) {
                // Without it small answers may wait for an acknowledgement; with it nothing else changes.
                let _ = stream.set_nodelay(true);
                return (stream, permit, address);
            }
            self.refuse(&stream, address);
        }
    }

    /// The words fit a fresh socket's buffer, so this never waits. A client that speaks TLS sees only the end.
    fn refuse(&mut self, stream: &TcpStream, client: SocketAddr) {
        let _ = SockRef::from(stream).send(TOO_MANY);
        let was_told = |at: Instant| at.elapsed() < limits::WEB_WARNING_INTERVAL;
        if !self.warned_at.is_some_and(was_told) {
            self.warned_at = Some(Instant::now());
            warn!(%client, "turned away from the web address: too many connections of this client, or of all");
        }
    }
}

/// A listener that lets clients in. Both kinds come to one address: the first byte of a TLS handshake is
/// the first byte of no HTTP request. The handshakes go on beside each other, so that a client who
/// takes its time delays no other.
#[derive(Debug)]
pub(super) struct HttpListener {
    listener: WebListener,
    tls: Arc<ServerTls>,
    settings: Current,
    /// Bounded by the limit of connections: each has a permit.
    arriving: JoinSet<io::Result<(WebConnection, SocketAddr)>>,
}

impl Listener for HttpListener {
    type Io = WebConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (WebConnection, SocketAddr) {
        loop {
            tokio::select! {
                Some(arrived) = self.arriving.join_next() => {
                    // A client that goes away before having said anything is no news.
                    if let Ok(Ok(arrived)) = arrived {
                        return arrived;
                    }
                }
                (stream, permit, address) = self.listener.admit(&self.settings) => {
                    let begun = begin(stream, permit, self.tls.config());
                    self.arriving.spawn(async move { Ok((begun.await?, address)) });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.listener.address)
    }
}

/// Waits for the client's first byte, and shakes hands when it is that of TLS.
async fn begin(
    stream: TcpStream,
    mut permit: ConnectionPermit,
    config: Arc<ServerConfig>,
) -> io::Result<WebConnection> {
    let begun = timeout(limits::WEB_HEADER_WAIT, handshake(stream, config));
    tokio::select! {
        stream = begun => Ok(WebConnection::new(stream??, permit)),
        () = poll_fn(|context| permit.poll_revoked(context)) => {
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}

async fn handshake(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<WebStream> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [TLS_HANDSHAKE] {
        return Ok(Either::Left(stream));
    }
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    Ok(Either::Right(Box::new(stream)))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::settings::{Publisher, Settings, SettingsDocument};

    /// A listener that is open, and a client that trusts the certificate that it shows.
    async fn open(directory: &std::path::Path) -> (HttpListener, TlsConnector) {
        let settings = Settings::new(SettingsDocument::default()).expect("the defaults hold");
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let listener = WebListener::bind(anywhere).await.expect("a port");
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
        let settings = Publisher::new(settings).current();
        (
            listener.open(tls, settings),
            TlsConnector::from(Arc::new(config)),
        )
    }

    #[tokio::test]
    async fn one_address_is_for_both_and_nobody_waits_for_the_silent() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut listener, connector) = open(directory.path()).await;
        let address = listener.local_addr().expect("bound");
        let connect = async || TcpStream::connect(address).await.expect("it listens");
        let _silent = connect().await;
        let mut broken = connect().await;
        // The beginning of a handshake, and then something else.
        let rubbish = b"\x16\x03\x01\x00\x05hello";
        broken.write_all(rubbish).await.expect("written");

        let mut plain = connect().await;
        plain.write_all(b"GET").await.expect("written");
        let (mut connection, from) = listener.accept().await;
        assert_eq!(from, plain.local_addr().expect("connected"));
        assert!(matches!(connection.stream(), Either::Left(_)));
        let mut text = [0; 3];
        connection.read_exact(&mut text).await.expect("three bytes");
        assert_eq!(&text, b"GET", "the first byte is still there");

        let name = "relay.example.net".try_into().expect("a name");
        let secure = connector.connect(name, connect().await);
        let (secure, (mut connection, _)) = tokio::join!(secure, listener.accept());
        assert!(matches!(connection.stream(), Either::Right(_)));
        let mut secure = secure.expect("a handshake");
        secure.write_all(b"GET").await.expect("written");
        connection.read_exact(&mut text).await.expect("three bytes");
        assert_eq!(&text, b"GET");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_at_first_goes_soon_and_later_after_a_while() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut listener, _) = open(directory.path()).await;
        let address = listener.local_addr().expect("bound");
        let mut silent = TcpStream::connect(address).await.expect("it listens");
        let began = Instant::now();
        let accepting = tokio::spawn(async move { listener.accept().await });
        assert_eq!(silent.read(&mut [0]).await.expect("the end"), 0);
        assert!(began.elapsed() >= limits::WEB_HEADER_WAIT);
        assert!(began.elapsed() < limits::WEB_IDLE);

        let mut plain = TcpStream::connect(address).await.expect("it listens");
        let request = b"GET / HTTP/1.1\r\n\r\n";
        plain.write_all(request).await.expect("written");
        let (mut connection, _) = accepting.await.expect("no panic");
        let mut text = vec![0; request.len()];
        connection.read_exact(&mut text).await.expect("the request");
        connection.write_all(b"answered").await.expect("written");
        let began = Instant::now();
        let error = connection.read_u8().await.expect_err("nothing was sent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= limits::WEB_IDLE);
    }

    #[tokio::test]
    async fn one_client_has_so_many_seats_and_this_machine_always_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut listener, _) = open(directory.path()).await;
        let address = listener.local_addr().expect("bound");
        let proxy = "192.0.2.1".parse().expect("an address");
        let strangers: Vec<_> =
            std::iter::from_fn(|| listener.listener.limit.take(proxy, true)).collect();
        assert_eq!(strangers.len(), limits::WEB_CONNECTIONS);
        let mut here = TcpStream::connect(address).await.expect("it listens");
        here.write_all(b"GET").await.expect("written");
        let (mut connection, _) = listener.accept().await;
        assert_eq!(connection.read_u8().await.expect("a byte"), b'G');

        let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(elsewhere.local_addr().expect("bound"));
        let (mut client, accepted) = (client.await.expect("it listens"), elsewhere.accept().await);
        let (stream, from) = accepted.expect("accepted");
        listener.listener.refuse(&stream, from);
        drop(stream);
        let mut told = String::new();
        client.read_to_string(&mut told).await.expect("text");
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        let (header, body) = told.split_once("\r\n\r\n").expect("a header");
        let length = format!("Content-Length: {}", body.len());
        assert!(header.ends_with(&length), "{told}");
    }
}
