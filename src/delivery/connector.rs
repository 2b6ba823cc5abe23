//! Opening a connection: connect, greeting, EHLO, and STARTTLS where it is offered.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::TimeoutProfile;
use super::connection::{Counted, ServerConnection};
use super::conversation_error::{ConversationError, Wait};
use super::resolve::MailServer;
use super::stream::ServerStream;
use super::tls_client;
use super::verdicts::{SmtpStage, verdict};
use crate::limits;
use crate::message::{DiskReason, Outcome};
use crate::own_mark::OwnMark;
use crate::settings::TlsPolicy;
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command_writer;
use crate::smtp::reply::Reply;

/// What is needed to open connections.
pub(super) struct Connector {
    /// What we say in EHLO.
    pub(super) hostname: Arc<str>,
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
    /// It is a listener of ours.
    #[error("it is this server itself")]
    Ourselves,
}

impl ConnectError {
    /// What it means for every recipient, when no other server is left.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::ConversationError(trouble) => trouble.outcome(),
            // The names that lead here can be changed, the administrator's own above all.
            Self::Ourselves => {
                Outcome::Deferred(DiskReason::Deferred, Reply::NEXT_HOP_IS_OURSELVES)
            }
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

    /// A connection that is ready for MAIL. It counts in `open` as long as it exists. However slowly a
    /// server says what it says, it is ready within the timeouts's time or not at all.
    pub(super) async fn open(
        &self,
        server: &MailServer,
        policy: TlsPolicy,
        timeouts: TimeoutProfile,
        open: &Arc<AtomicU32>,
    ) -> Result<ServerConnection, ConnectError> {
        let opening = self.open_unbounded(server, policy, timeouts, open);
        timeout(timeouts.opening_wait(), opening)
            .await
            .unwrap_or(Err(ConnectError::ConversationError(
                ConversationError::TimedOut(Wait::Opening),
            )))
    }

    async fn open_unbounded(
        &self,
        server: &MailServer,
        policy: TlsPolicy,
        timeouts: TimeoutProfile,
        open: &Arc<AtomicU32>,
    ) -> Result<ServerConnection, ConnectError> {
        let plain = self.connect(server, policy, timeouts, open).await?;
        if policy == TlsPolicy::Never || !plain.capabilities.starttls {
            return Ok(plain);
        }
        match self.secure(plain, server, timeouts).await {
            Ok(secured) => Ok(secured),
            // RFC 7435 §3: the message goes in the clear rather than not at all. The server's half of
            // a failed handshake cannot be spoken over, so on a new connection.
            Err(reason) => {
                tracing::info!(server = %server.host, address = %server.address, %reason,
                    "STARTTLS failed: going on without TLS");
                self.connect(server, policy, timeouts, open).await
            }
        }
    }

    /// Whether the server that greets so is a listener of ours.
    pub(super) fn is_ours(&self, greeting: &Reply) -> bool {
        self.own_mark.is_in(greeting)
    }

    async fn connect(
        &self,
        server: &MailServer,
        policy: TlsPolicy,
        timeouts: TimeoutProfile,
        open: &Arc<AtomicU32>,
    ) -> Result<ServerConnection, ConnectError> {
        let mut connection = self.dial(server, policy, timeouts, open).await?;
        let greeting = connection.owed(SmtpStage::Greeting);
        let greeting = connection.reply(greeting, timeouts.command_wait()).await?;
        if self.is_ours(&greeting) {
            return Err(ConnectError::Ourselves);
        }
        if verdict(SmtpStage::Greeting, &greeting).is_some() {
            return Err(ConnectError::TurnedAway(SmtpStage::Greeting, greeting));
        }
        self.introduce(&mut connection, timeouts).await?;
        Ok(connection)
    }

    /// A connection on which nothing was said yet.
    pub(super) async fn dial(
        &self,
        server: &MailServer,
        policy: TlsPolicy,
        timeouts: TimeoutProfile,
        open: &Arc<AtomicU32>,
    ) -> Result<ServerConnection, ConversationError> {
        let connecting = timeout(timeouts.connect_wait(), TcpStream::connect(server.address));
        let socket = connecting
            .await
            .map_err(|_| ConversationError::TimedOut(Wait::Connection))?
            .map_err(ConversationError::Connect)?;
        // What we send is whole when we send it.
        socket
            .set_nodelay(true)
            .map_err(ConversationError::Connect)?;
        let stream = ServerStream::Plain(socket);
        Ok(ServerConnection::new(
            stream,
            server,
            &self.hostname,
            policy,
            Counted::new(open),
        ))
    }

    /// EHLO, or HELO where that is not known (RFC 5321 §3.2); LHLO over LMTP.
    async fn introduce(
        &self,
        connection: &mut ServerConnection,
        timeouts: TimeoutProfile,
    ) -> Result<(), ConnectError> {
        let protocol = connection.protocol;
        let wait = timeouts.command_wait();
        let hello = connection.ask(SmtpStage::Ehlo, wait, |commands| {
            command_writer::hello(commands, protocol, &self.hostname);
        });
        let mut reply = hello.await?;
        if reply.is_positive() {
            connection.capabilities = Capabilities::parse(&reply);
            return Ok(());
        }
        if reply.is_permanent() && protocol == Protocol::Smtp {
            let helo = connection.ask(SmtpStage::Ehlo, wait, |commands| {
                command_writer::helo(commands, &self.hostname);
            });
            reply = helo.await?;
        }
        if reply.is_positive() {
            return Ok(());
        }
        Err(ConnectError::TurnedAway(SmtpStage::Ehlo, reply))
    }

    /// STARTTLS and EHLO again: what was said in the clear does not count (RFC 3207 §4.2).
    async fn secure(
        &self,
        plain: ServerConnection,
        server: &MailServer,
        timeouts: TimeoutProfile,
    ) -> Result<ServerConnection, ConnectError> {
        let mut secured = self.start_tls(plain, server, timeouts).await?;
        self.introduce(&mut secured, timeouts).await?;
        Ok(secured)
    }

    /// STARTTLS and the handshake.
    pub(super) async fn start_tls(
        &self,
        mut plain: ServerConnection,
        server: &MailServer,
        timeouts: TimeoutProfile,
    ) -> Result<ServerConnection, ConversationError> {
        let name = tls_client::server_name(&server.host)
            .map_err(|error| ConversationError::Tls(io::Error::other(error)))?;
        let asked = plain.ask(SmtpStage::StartTls, timeouts.command_wait(), |commands| {
            commands.extend_from_slice(b"STARTTLS\r\n");
        });
        let reply = asked.await?;
        if reply.code != 220 {
            let refusal = io::Error::other(format!("refused with {}", reply.code));
            return Err(ConversationError::Tls(refusal));
        }
        let policy = plain.policy;
        let (socket, counted) = plain.into_socket().ok_or_else(|| {
            ConversationError::Tls(io::Error::other("bytes in the clear behind STARTTLS"))
        })?;
        let wait = timeouts.command_wait().min(limits::TLS_HANDSHAKE_WAIT);
        let stream = timeout(wait, self.tls.connect(name, socket))
            .await
            .map_err(|_| ConversationError::TimedOut(Wait::Handshake))?
            .map_err(ConversationError::Tls)?;
        let stream = ServerStream::Tls(Box::new(stream));
        Ok(ServerConnection::new(
            stream,
            server,
            &self.hostname,
            policy,
            counted,
        ))
    }
}
