//! Opening a connection: connect, greeting, EHLO, and STARTTLS where it is offered.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;

use super::connection::{Counted, ServerConnection};
use super::conversation_error::{ConversationError, Wait};
use super::request::TimeoutProfile;
use super::resolve::MailServer;
use super::stream::ServerStream;
use super::tls_client;
use super::verdicts::{self, SmtpStage, verdict};
use crate::limits;
use crate::message::Outcome;
use crate::own_mark::OwnMark;
use crate::settings::TlsPolicy;
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::Reply;

/// What is needed to open connections.
pub(super) struct Connector {
    /// What we say in EHLO.
    hostname: Arc<str>,
    /// What our own greeting holds.
    own_mark: OwnMark,
    tls: TlsConnector,
}

/// Why a server cannot be used now.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// It was not reached or understood.
    #[error("{0}")]
    ConversationError(#[from] ConversationError),
    /// It turned us away at this stage.
    #[error("{1}")]
    TurnedAway(SmtpStage, Reply),
    #[error("it is this server itself")]
    Ourselves,
}

impl ConnectError {
    /// What it means for every recipient, when no other server is left.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::ConversationError(trouble) => trouble.outcome(),
            // The names that lead here can be changed, the administrator's own above all.
            Self::Ourselves => verdicts::deferred(Reply::NEXT_HOP_IS_OURSELVES),
            Self::TurnedAway(stage, reply) => {
                verdict(*stage, reply).unwrap_or_else(|| ConversationError::Closed.outcome())
            }
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("hostname", &self.hostname)
            .finish_non_exhaustive()
    }
}

impl Connector {
    pub(super) fn new(hostname: Arc<str>, own_mark: OwnMark) -> Self {
        Self {
            hostname,
            own_mark,
            tls: tls_client::opportunistic(),
        }
    }

    /// Whether the server that greets so is a listener of ours.
    pub(super) fn is_ours(&self, greeting: &Reply) -> bool {
        self.own_mark.is_in(greeting)
    }
}

/// A server to which a connection is opened, and how.
#[derive(Clone, Copy)]
pub(super) struct Dial<'a> {
    pub(super) connector: &'a Connector,
    pub(super) server: &'a MailServer,
    pub(super) policy: TlsPolicy,
    pub(super) timeouts: TimeoutProfile,
    /// Where the connection counts as long as it exists.
    pub(super) open: &'a Arc<AtomicU32>,
}

impl Dial<'_> {
    /// A connection that is ready for MAIL. However slowly a server says what it says, it is ready within the
    /// timeouts' time or not at all.
    pub(super) async fn open(self) -> Result<ServerConnection, ConnectError> {
        timeout(self.timeouts.opening_wait(), self.open_unbounded())
            .await
            .unwrap_or(Err(ConversationError::TimedOut(Wait::Opening).into()))
    }

    async fn open_unbounded(self) -> Result<ServerConnection, ConnectError> {
        let plain = self.connect().await?;
        if self.policy == TlsPolicy::Never || !plain.capabilities.starttls {
            return Ok(plain);
        }
        match self.secure(plain).await {
            Ok(secured) => Ok(secured),
            // RFC 7435 §3: the message goes in the clear rather than not at all. The server's half of
            // a failed handshake cannot be spoken over, so on a new connection.
            Err(reason) => {
                let MailServer { host, address, .. } = self.server;
                tracing::info!(server = %host, %address, %reason,
                    "STARTTLS failed: going on without TLS");
                self.connect().await
            }
        }
    }

    async fn connect(self) -> Result<ServerConnection, ConnectError> {
        let mut connection = self.dial().await?;
        let greeting = connection.greeting(self.timeouts.command_wait()).await?;
        if self.connector.is_ours(&greeting) {
            return Err(ConnectError::Ourselves);
        }
        if verdict(SmtpStage::Greeting, &greeting).is_some() {
            return Err(ConnectError::TurnedAway(SmtpStage::Greeting, greeting));
        }
        self.introduce(&mut connection).await?;
        Ok(connection)
    }

    /// A connection on which nothing was said yet.
    pub(super) async fn dial(self) -> Result<ServerConnection, ConversationError> {
        let connecting = TcpStream::connect(self.server.address);
        let socket = timeout(self.timeouts.connect_wait(), connecting)
            .await
            .map_err(|_| ConversationError::TimedOut(Wait::Connection))?
            .map_err(ConversationError::Connect)?;
        // What we send is whole when we send it.
        socket
            .set_nodelay(true)
            .map_err(ConversationError::Connect)?;
        Ok(self.connection(Either::Left(socket), Counted::new(self.open)))
    }

    fn connection(self, stream: ServerStream, counted: Counted) -> ServerConnection {
        let hostname = &self.connector.hostname;
        ServerConnection::new(stream, self.server, hostname, self.policy, counted)
    }

    /// EHLO, or HELO where that is not known (RFC 5321 §3.2); LHLO over LMTP.
    async fn introduce(self, connection: &mut ServerConnection) -> Result<(), ConnectError> {
        let wait = self.timeouts.command_wait();
        let mut reply = connection.hello(wait).await?;
        if reply.is_positive() {
            connection.capabilities = Capabilities::parse(&reply);
            return Ok(());
        }
        if reply.is_permanent() && connection.protocol == Protocol::Smtp {
            reply = connection.helo(wait).await?;
        }
        if reply.is_positive() {
            return Ok(());
        }
        Err(ConnectError::TurnedAway(SmtpStage::Ehlo, reply))
    }

    /// STARTTLS and EHLO again: what was said in the clear does not count (RFC 3207 §4.2).
    async fn secure(self, plain: ServerConnection) -> Result<ServerConnection, ConnectError> {
        let mut secured = self.start_tls(plain).await?;
        self.introduce(&mut secured).await?;
        Ok(secured)
    }

    /// STARTTLS and the handshake.
    pub(super) async fn start_tls(
        self,
        mut plain: ServerConnection,
    ) -> Result<ServerConnection, ConversationError> {
        let name = ServerName::try_from(self.server.host.to_string()).map_err(tls_failed)?;
        let wait = self.timeouts.command_wait();
        let asked = plain.say(SmtpStage::StartTls, wait, b"STARTTLS\r\n");
        let reply = asked.await?;
        if reply.code != 220 {
            return Err(tls_failed(format!("refused with {}", reply.code)));
        }
        let (socket, counted) = plain
            .into_socket()
            .ok_or_else(|| tls_failed("bytes in the clear behind STARTTLS"))?;
        let wait = wait.min(limits::TLS_HANDSHAKE_WAIT);
        let stream = timeout(wait, self.connector.tls.connect(name, socket))
            .await
            .map_err(|_| ConversationError::TimedOut(Wait::Handshake))?
            .map_err(ConversationError::Tls)?;
        Ok(self.connection(Either::Right(Box::new(stream)), counted))
    }
}

fn tls_failed(why: impl Into<Box<dyn Error + Send + Sync>>) -> ConversationError {
    ConversationError::Tls(io::Error::other(why))
}
