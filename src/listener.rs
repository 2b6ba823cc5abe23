//! Binds, accepts within limits, and gives each client a session of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use bytes::BytesMut;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clients::{ClientLimit, ClientPermit, Network};
use crate::limits;
use crate::path::Answering;
use crate::session::{self, ClientOrigin, SessionContext};
use crate::settings::Current;
use crate::smtp::reply::Reply;
use crate::tls::{CertificateFiles, ServerTls};

/// A bound socket that listens already, so that nothing is lost between binding and accepting.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. Called inside the runtime.
    ///
    /// # Errors
    /// As the system says: the address is in use, or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        // A restart finds connections of the run before in TIME_WAIT.
        socket.set_reuse_address(true)?;
        // Those that are accepted inherit it.
        socket.set_send_buffer_size(limits::REPLIES_IN_FLIGHT_BYTES)?;
        socket.bind(&address.into())?;
        socket.listen(limits::LISTEN_BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }
}

/// Whether an address is one of this machine's. Nothing is sent: a datagram socket only says from
/// which address it would send, and to an address of our own that is the address itself.
#[must_use]
pub fn is_of_this_machine(address: IpAddr) -> bool {
    /// Datagrams to it are thrown away, RFC 863; none is sent.
    const DISCARD: u16 = 9;
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let sender = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, DISCARD))?;
        socket.local_addr()
    };
    address.is_loopback() || sender().is_ok_and(|sender| sender.ip() == address)
}

/// What connections are accepted with; all listeners share it.
#[derive(Debug)]
pub struct Acceptor<A> {
    /// What every session is given.
    pub context: Arc<SessionContext<A>>,
    /// How many there may be.
    pub places: Arc<ClientLimit<Network>>,
    /// Where they run.
    pub sessions: TaskTracker,
    /// Until when connections are accepted.
    pub shutdown: CancellationToken,
}

impl<A: Answering> Acceptor<A> {
    /// Accepts until the shutdown, and returns then. The sessions go on, and end by themselves after it: the caller
    /// bounds that wait.
    pub async fn run(self: Arc<Self>, listener: Listener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                accepted = listener.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => {
                    self.admit(listener.address, stream, client.ip().to_canonical());
                }
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => {
                    tracing::error!(listener = %listener.address, %error, "no client can be accepted at the moment");
                    tokio::select! {
                        () = self.shutdown.cancelled() => return,
                        () = tokio::time::sleep(limits::ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
    }

    fn admit(&self, listener: SocketAddr, stream: TcpStream, client: IpAddr) {
        let settings = self.context.settings.snapshot();
        let entry = settings.listener(listener);
        let is_proxy = entry.is_some_and(|entry| entry.awaits_proxy_header(client));
        // A proxy has as many connections as its clients, who are counted when they are known.
        let counted = (!is_proxy && !settings.trusts(client)).then(|| Network::of(client));
        let Some(place) = self.places.take(counted) else {
            self.context.counters.sessions_refused.increment();
            turn_away(&stream);
            return;
        };
        // Replies are written whole; waiting for more to send would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%client, %error, "a client went away at once");
            return;
        }
        if is_proxy {
            self.admit_proxied(listener, stream, client, place);
            return;
        }
        let origin = ClientOrigin {
            client,
            proxy: None,
            listener,
            said: BytesMut::new(),
        };
        let context = Arc::clone(&self.context);
        let session = session::run(stream, origin, context, self.shutdown.clone());
        self.sessions.spawn(async move {
            let _place = place;
            session.await;
        });
    }

    /// A connection that a proxy passes on: its session begins when its client is known.
    fn admit_proxied(
        &self,
        listener: SocketAddr,
        mut stream: TcpStream,
        proxy: IpAddr,
        place: ClientPermit<Network>,
    ) {
        let (context, places) = (Arc::clone(&self.context), Arc::clone(&self.places));
        let shutdown = self.shutdown.clone();
        self.sessions.spawn(async move {
            let header = tokio::select! {
                biased;
                header = proxy_header::read(&mut stream, proxy) => header,
                () = shutdown.cancelled() => return,
            };
            let (client, said) = match header {
                Ok(read) => read,
                Err(proxy_header::NoHeader::Silent) => {
                    context.counters.proxy_checks.increment();
                    return;
                }
                Err(error) => {
                    tracing::warn!(%proxy, %listener, %error, "a proxy did not say whose connection it passes on");
                    return;
                }
            };
            let trusted = context.settings.snapshot().trusts(client);
            let Some(_own_place) = places.take((!trusted).then(|| Network::of(client))) else {
                context.counters.sessions_refused.increment();
                turn_away(&stream);
                return;
            };
            drop(place);
            let origin = ClientOrigin {
                client,
                proxy: Some(proxy),
                listener,
                said,
            };
            session::run(stream, origin, context, shutdown).await;
        });
    }
}

/// 421 and close. The reply fits a fresh socket's buffer, so this never waits; when it does not, the
/// client sees the end without a reason.
fn turn_away(stream: &TcpStream) {
    let mut reply = Vec::new();
    Reply::TOO_MANY_CONNECTIONS.write(&mut reply);
    let _ = SockRef::from(stream).send(&reply);
}

/// The connection ended before we took it; the next one may be fine.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Reads the certificate whenever the settings name another one, and now and then, because renewal
/// replaces the files under the same names. Returns at `shutdown`.
pub async fn follow_certificate(
    tls: Arc<ServerTls>,
    mut settings: Current,
    reload_now: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let mut files = settings.snapshot().certificate_files();
    // Our own certificate is in use already.
    let mut read = files.is_none();
    loop {
        if !read {
            reload(&tls, files.clone()).await;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = settings.changed() => {
                let Some(changed) = changed else { return };
                let named = changed.certificate_files();
                read = named == files;
                files = named;
            }
            () = reload_now.notified() => read = false,
            () = tokio::time::sleep(limits::CERTIFICATE_INTERVAL) => read = files.is_none(),
        }
    }
}

async fn reload(tls: &Arc<ServerTls>, files: Option<CertificateFiles>) {
    let tls = Arc::clone(tls);
    let reloaded = tokio::task::spawn_blocking(move || tls.reload(files.as_ref())).await;
    match reloaded {
        Ok(Ok(())) => tracing::debug!("the certificate was read"),
        Ok(Err(error)) => {
            tracing::error!(%error, "the certificate cannot be used; the one before stays");
        }
        Err(error) => tracing::error!(%error, "the certificate could not be read"),
    }
}

mod proxy_header;
#[cfg(test)]
mod tests;
