//! Opening a connection: connect, greeting, EHLO, and STARTTLS where it is offered.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Pace;
use super::connection::{Connection, Counted};
use super::resolve::Server;
use super::stream::Stream;
use super::tls_client;
use super::trouble::{Trouble, Wait};
use super::verdicts::{Stage, verdict};
use crate::limits;
use crate::message::{DiskReason, Outcome};
use crate::own_mark::OwnMark;
use crate::settings::TlsPolicy;
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command_writer;
use crate::smtp::reply::Reply;

/// What is needed to open connections.
pub(super) struct Opener {
    /// What we say in EHLO.
    pub(super) hostname: Arc<str>,
    /// What our own greeting holds.
    own_mark: OwnMark,
    tls: TlsConnector,
}

/// Why a server cannot be used now.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOpened {
    /// It was not reached or understood.
    #[error("{0}")]
    Trouble(#[from] Trouble),
    /// It turned us away at this stage.
    #[error("{1}")]
    TurnedAway(Stage, Reply),
    /// It is a listener of ours.
    #[error("it is this server itself")]
    Ourselves,
}

impl NotOpened {
    /// What it means for every recipient, when no other server is left.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Trouble(trouble) => trouble.outcome(),
            // The names that lead here can be changed, the administrator's own above all.
            Self::Ourselves => Outcome::Deferred(
                DiskReason::Deferred,
                Reply::new(451, (4, 4, 6), "the next hop is this server itself"),
            ),
            Self::TurnedAway(stage, reply) => {
                verdict(*stage, reply).unwrap_or_else(|| Trouble::Closed.outcome())
            }
        }
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener")
            .field("hostname", &self.hostname)
            .finish_non_exhaustive()
    }
}

impl Opener {
    pub(super) fn new(hostname: Arc<str>, own_mark: OwnMark) -> Self {
        Self {
            hostname,
            own_mark,
            tls: tls_client::opportunistic(),
        }
    }

    /// A connection that is ready for MAIL. It counts in `open` as long as it exists. However slowly a
    /// server says what it says, it is ready within the pace's time or not at all.
    pub(super) async fn open(
        &self,
        server: &Server,
        policy: TlsPolicy,
        pace: Pace,
        open: &Arc<AtomicU32>,
    ) -> Result<Connection, NotOpened> {
        let opening = self.open_unbounded(server, policy, pace, open);
        timeout(pace.opening_wait(), opening)
            .await
            .unwrap_or(Err(NotOpened::Trouble(Trouble::TimedOut(Wait::Opening))))
    }

    async fn open_unbounded(
        &self,
        server: &Server,
        policy: TlsPolicy,
        pace: Pace,
        open: &Arc<AtomicU32>,
    ) -> Result<Connection, NotOpened> {
        let plain = self.connect(server, policy, pace, open).await?;
        if policy == TlsPolicy::Never || !plain.capabilities.starttls {
            return Ok(plain);
        }
        match self.secure(plain, server, pace).await {
            Ok(secured) => Ok(secured),
            // RFC 7435 §3: the message goes in the clear rather than not at all. The server's half of
            // a failed handshake cannot be spoken over, so on a new connection.
            Err(reason) => {
                tracing::info!(server = %server.host, address = %server.address, %reason,
                    "STARTTLS failed: going on without TLS");
                self.connect(server, policy, pace, open).await
            }
        }
    }

    /// Whether the server that greets so is a listener of ours.
    pub(super) fn is_ours(&self, greeting: &Reply) -> bool {
        self.own_mark.is_in(greeting)
    }

    async fn connect(
        &self,
        server: &Server,
        policy: TlsPolicy,
        pace: Pace,
        open: &Arc<AtomicU32>,
    ) -> Result<Connection, NotOpened> {
        let mut connection = self.dial(server, policy, pace, open).await?;
        let greeting = connection.owed(Stage::Greeting);
        let greeting = connection.reply(greeting, pace.command_wait()).await?;
        if self.is_ours(&greeting) {
            return Err(NotOpened::Ourselves);
        }
        if verdict(Stage::Greeting, &greeting).is_some() {
            return Err(NotOpened::TurnedAway(Stage::Greeting, greeting));
        }
        self.introduce(&mut connection, pace).await?;
        Ok(connection)
    }

    /// A connection on which nothing was said yet.
    pub(super) async fn dial(
        &self,
        server: &Server,
        policy: TlsPolicy,
        pace: Pace,
        open: &Arc<AtomicU32>,
    ) -> Result<Connection, Trouble> {
        let connecting = timeout(pace.connect_wait(), TcpStream::connect(server.address));
        let socket = connecting
            .await
            .map_err(|_| Trouble::TimedOut(Wait::Connection))?
            .map_err(Trouble::Connect)?;
        // What we send is whole when we send it.
        socket.set_nodelay(true).map_err(Trouble::Connect)?;
        let stream = Stream::Plain(socket);
        Ok(Connection::new(
            stream,
            server,
            &self.hostname,
            policy,
            Counted::new(open),
        ))
    }

    /// EHLO, or HELO where that is not known (RFC 5321 §3.2); LHLO over LMTP.
    async fn introduce(&self, connection: &mut Connection, pace: Pace) -> Result<(), NotOpened> {
        let protocol = connection.protocol;
        let wait = pace.command_wait();
        let hello = connection.ask(Stage::Ehlo, wait, |commands| {
            command_writer::hello(commands, protocol, &self.hostname);
        });
        let mut reply = hello.await?;
        if reply.is_positive() {
            connection.capabilities = Capabilities::parse(&reply);
            return Ok(());
        }
        if reply.is_permanent() && protocol == Protocol::Smtp {
            let helo = connection.ask(Stage::Ehlo, wait, |commands| {
                command_writer::helo(commands, &self.hostname);
            });
            reply = helo.await?;
        }
        if reply.is_positive() {
            return Ok(());
        }
        Err(NotOpened::TurnedAway(Stage::Ehlo, reply))
    }

    /// STARTTLS and EHLO again: what was said in the clear does not count (RFC 3207 §4.2).
    async fn secure(
        &self,
        plain: Connection,
        server: &Server,
        pace: Pace,
    ) -> Result<Connection, NotOpened> {
        let mut secured = self.start_tls(plain, server, pace).await?;
        self.introduce(&mut secured, pace).await?;
        Ok(secured)
    }

    /// STARTTLS and the handshake.
    pub(super) async fn start_tls(
        &self,
        mut plain: Connection,
        server: &Server,
        pace: Pace,
    ) -> Result<Connection, Trouble> {
        let name = tls_client::server_name(&server.host)
            .map_err(|error| Trouble::Tls(io::Error::other(error)))?;
        let asked = plain.ask(Stage::StartTls, pace.command_wait(), |commands| {
            commands.extend_from_slice(b"STARTTLS\r\n");
        });
        let reply = asked.await?;
        if reply.code != 220 {
            let refusal = io::Error::other(format!("refused with {}", reply.code));
            return Err(Trouble::Tls(refusal));
        }
        let policy = plain.policy;
        let (socket, counted) = plain
            .into_socket()
            .ok_or_else(|| Trouble::Tls(io::Error::other("bytes in the clear behind STARTTLS")))?;
        let wait = pace.command_wait().min(limits::TLS_HANDSHAKE_WAIT);
        let stream = timeout(wait, self.tls.connect(name, socket))
            .await
            .map_err(|_| Trouble::TimedOut(Wait::Handshake))?
            .map_err(Trouble::Tls)?;
        let stream = Stream::Tls(Box::new(stream));
        Ok(Connection::new(
            stream,
            server,
            &self.hostname,
            policy,
            counted,
        ))
    }
}
