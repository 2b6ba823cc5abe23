//! The loop: takes a command, has the state decide, and carries the step out. Only it writes replies,
//! counts errors and closes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{ReadOutcome, SessionConnection, SessionEnd};
use super::content::IncomingContent;
use super::context::{ClientOrigin, Peer, SessionContext};
use super::state::SessionState;
use super::step::{CommandContext, SessionStep};
use super::stream::Transport;
use crate::limits;
use crate::message::Reservation;
use crate::path::Answering;
use crate::smtp::Protocol;
use crate::smtp::authentication::Mechanism;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command::Command;
use crate::smtp::line::{LineError, LineFramer};
use crate::smtp::reply::Reply;
use crate::sock_diag::Ends;

/// What the next line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A command.
    Command,
    /// An answer within AUTH.
    Credentials,
}

/// One client's conversation.
pub(super) struct Conversation<A: Answering, T> {
    pub(super) context: Arc<SessionContext<A>>,
    pub(super) peer: Peer,
    pub(super) connection: SessionConnection<T>,
    framer: LineFramer,
    pub(super) shutdown: CancellationToken,
    /// Replies of 5xx since the last message that was taken: who delivers mail may err.
    pub(super) errors: u32,
    /// Logins that were wrong.
    pub(super) wrong_logins: u32,
    /// How long the next command may take.
    command_wait: Duration,
    /// A late reply, and how much was read when it was written: a command behind that proves it read.
    pub(super) late: Option<(A::Late, u64)>,
}

impl<A: Answering, T: Transport> Conversation<A, T> {
    pub(super) fn new(
        transport: T,
        origin: ClientOrigin,
        context: Arc<SessionContext<A>>,
        shutdown: CancellationToken,
    ) -> Self {
        let peer = Peer::new(&origin, &context.settings);
        let standing = peer.standing(&context.settings.snapshot());
        let share = Reservation::of(Arc::clone(&context.budget), standing);
        Self {
            context,
            peer,
            connection: SessionConnection::new(transport, origin.said, share),
            framer: LineFramer::default(),
            shutdown,
            errors: 0,
            wrong_logins: 0,
            command_wait: limits::COMMAND_WAIT,
            late: None,
        }
    }

    /// Speaks until the end, and closes.
    pub(super) async fn hold(mut self) {
        let end = match self.greet() {
            Ok(()) => self.talk().await,
            Err(end) => end,
        };
        let (last_words, patient) = match end {
            // A client that closed in order behind a late reply has read it as well; most devices say no QUIT.
            SessionEnd::Gone => return self.prove_read_if(Ends::is_read_to_the_end),
            SessionEnd::Quit => (None, false),
            SessionEnd::Close => (None, true),
            SessionEnd::Say(reply) => (Some(reply), true),
            SessionEnd::TimedOut => {
                self.context.counters.timeouts.increment();
                (Some(Reply::COMMAND_TIMEOUT), true)
            }
        };
        if let Some(reply) = last_words {
            self.write(&reply);
        }
        if self.connection.flush().await.is_ok() {
            self.connection.close(patient).await;
        }
    }

    /// RFC 5321 §3.1.
    fn greet(&mut self) -> Result<(), SessionEnd> {
        if self.shutdown.is_cancelled() {
            return Err(SessionEnd::Say(Reply::SHUTTING_DOWN));
        }
        let greeting = self.greeting();
        self.say(&greeting)
    }

    pub(super) fn greeting(&self) -> Reply {
        let spoken = match self.peer.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        let SessionContext {
            hostname, own_mark, ..
        } = &*self.context;
        Reply::greeting(format!("{hostname} {spoken} Fastpath {own_mark}"))
    }

    async fn talk(&mut self) -> SessionEnd {
        let mut state = SessionState::Greeted;
        loop {
            state = match self.turn(state).await {
                Ok(state) => state,
                Err(end) => return end,
            };
        }
    }

    /// One command and what follows from it.
    async fn turn(&mut self, mut state: SessionState) -> Result<SessionState, SessionEnd> {
        self.command_wait = state.command_wait();
        let line = self
            .next_line(Expected::Command, state.content_mut())
            .await?;
        // Also for commands that come in time and lead nowhere, such as NOOP.
        let is_past = |deadline| std::time::Instant::now() > deadline;
        if state.deadline().is_some_and(is_past) {
            return Err(SessionEnd::TimedOut);
        }
        self.prove_read();
        if self.shutdown.is_cancelled() {
            return Err(SessionEnd::Say(Reply::SHUTTING_DOWN));
        }
        let command = match line {
            Ok(line) => Command::parse(&line, state.smtputf8()).map_err(|error| {
                // How many bytes follow is not known, and they must not be taken for commands.
                let bytes_follow = line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"BDAT");
                (error.reply(), bytes_follow)
            }),
            Err(error) => Err((error.reply(), false)),
        };
        self.look_at_rights()?;
        match command {
            Ok(command) => {
                let at = CommandContext {
                    context: &self.context,
                    peer: &self.peer,
                };
                let (state, step) = state.apply(command, &at);
                self.carry_out(state, step).await
            }
            Err((reply, true)) => Err(SessionEnd::Say(reply)),
            Err((reply, false)) => self.say(&reply).map(|()| state),
        }
    }

    /// The next line. Replies are written when no complete one waits: one write for a batch of
    /// pipelined commands (RFC 2920 §3.2). `content` is what has come of a message by now.
    pub(super) async fn next_line(
        &mut self,
        expected: Expected,
        mut content: Option<&mut IncomingContent>,
    ) -> Result<Result<Bytes, LineError>, SessionEnd> {
        let mut first_wait = None;
        loop {
            let limit = self.line_limit(expected);
            let input = &mut self.connection.input;
            if let Some(line) = self.framer.next(input, limit) {
                if self.connection.output.len() >= limits::REPLIES_BYTES {
                    self.connection.flush().await?;
                }
                return Ok(line);
            }
            self.connection.flush().await?;
            // For the whole line, however slowly its bytes come.
            let began = *first_wait.get_or_insert_with(Instant::now);
            self.wait_for_command(began, content.as_deref_mut()).await?;
        }
    }

    /// How long the line may be that begins in the input. Only who may send credentials gets room for
    /// long ones (RFC 4954 §4), with the command or behind it.
    fn line_limit(&mut self, expected: Expected) -> usize {
        let begun = &self.connection.input;
        let is_auth = || {
            let word = begun.get(..5);
            self.peer.tls && word.is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH "))
        };
        if expected == Expected::Credentials || is_auth() {
            self.connection.widen_regardless(limits::AUTH_LINE_BYTES);
            limits::AUTH_LINE_BYTES
        } else {
            limits::COMMAND_LINE_BYTES
        }
    }

    /// A client that is silent for a moment gives its grown buffers back.
    async fn wait_for_command(
        &mut self,
        began: Instant,
        content: Option<&mut IncomingContent>,
    ) -> Result<(), SessionEnd> {
        let idle = began + limits::BUFFER_IDLE;
        if self.connection.read(idle, &self.shutdown).await? == ReadOutcome::Bytes {
            return Ok(());
        }
        self.connection.shrink();
        if let Some(content) = content {
            content.shrink().await;
        }
        if self.late.is_some() {
            let stays = began + limits::LATE_REPLY_STAY;
            if self.connection.read(stays, &self.shutdown).await? == ReadOutcome::Bytes {
                return Ok(());
            }
            // So has one that has the reply and stays, whatever its end will be: whoever has given up waiting leaves.
            self.prove_read_if(Ends::has_everything);
        }
        let deadline = began + self.command_wait;
        match self.connection.read(deadline, &self.shutdown).await? {
            ReadOutcome::Bytes => Ok(()),
            ReadOutcome::Nothing => Err(SessionEnd::TimedOut),
        }
    }

    /// A command that stands behind everything that was read when a late reply was written can only
    /// have been sent by a client that got the reply.
    fn prove_read(&mut self) {
        let position = self.connection.position();
        if let Some((late, _)) = self.late.take_if(|(_, read)| position > *read) {
            A::was_read(late);
        }
    }

    /// Of a proxy's kernel nothing is concluded: the client may have been gone.
    fn prove_read_if(&mut self, is_read: impl FnOnce(Ends) -> io::Result<bool>) {
        let Some((late, read)) = self.late.take() else {
            return;
        };
        let ends = self.connection.ends();
        let ends = ends.filter(|ends| ends.remote.ip().to_canonical() == self.peer.address);
        match ends.map_or(Ok(false), is_read) {
            Ok(true) => A::was_read(late),
            Ok(false) => self.late = Some((late, read)),
            Err(error) => {
                tracing::debug!(%error, "the kernel does not say whether a late reply was read");
            }
        }
    }

    async fn carry_out(
        &mut self,
        state: SessionState,
        step: SessionStep,
    ) -> Result<SessionState, SessionEnd> {
        match step {
            SessionStep::Say(reply) => self.say(&reply)?,
            SessionStep::CheckRecipient {
                recipient,
                settings,
            } => return Box::pin(self.check_recipient(state, *recipient, &settings)).await,
            SessionStep::SendEhlo => self.send_ehlo(),
            SessionStep::ApplyXclient(attributes) => self.apply_xclient(&attributes)?,
            // Boxed: an idle session does not hold the room that receiving takes.
            SessionStep::Data(addressed) => Box::pin(self.data(addressed)).await?,
            SessionStep::FirstChunk {
                addressed,
                size,
                last,
            } => {
                let first = Box::pin(self.first_chunk(addressed, size, last)).await?;
                if let Some(chunked) = first {
                    return Ok(SessionState::Chunked(chunked));
                }
            }
            SessionStep::Chunk {
                chunked,
                size,
                last,
            } => {
                if let Some(chunked) = Box::pin(self.chunk(chunked, size, last)).await? {
                    return Ok(SessionState::Chunked(chunked));
                }
            }
            SessionStep::SkipChunk { size, reply, mode } => {
                Box::pin(self.skip_chunk(size, reply, mode)).await?;
            }
            SessionStep::StartTls => Box::pin(self.start_tls()).await?,
            SessionStep::Authenticate(turn) => Box::pin(self.authenticate(turn)).await?,
            SessionStep::Quit => {
                self.say(&Reply::CLOSING)?;
                return Err(SessionEnd::Quit);
            }
        }
        Ok(state)
    }

    /// EHLO.
    fn send_ehlo(&mut self) {
        // Whoever begins anew is nobody in particular.
        self.peer.has_lost_login = false;
        let settings = self.context.settings.snapshot();
        // Where nobody can log in, nobody is invited to guess.
        let asks_for_login = self.peer.tls && self.context.logins.exist();
        let mechanisms = Mechanism::ALL.iter().filter(|_| asks_for_login);
        let capabilities = Capabilities {
            size: Some(settings.message_size_max_bytes),
            pipelining: true,
            eight_bit_mime: true,
            smtputf8: true,
            enhanced_status_codes: true,
            dsn: self.peer.dsn,
            chunking: true,
            // Over LMTP there is a reply for each recipient anyway.
            prdr: self.peer.protocol == Protocol::Smtp,
            xclient: self.peer.is_believed(&settings),
            starttls: self.context.tls.is_some() && !self.peer.tls,
            auth: mechanisms
                .map(|mechanism| mechanism.name().to_owned())
                .collect(),
        };
        self.context.counters.replied(250);
        capabilities.write_ehlo(&self.context.hostname, &mut self.connection.output);
    }

    /// STARTTLS: RFC 3207 §4.
    async fn start_tls(&mut self) -> Result<(), SessionEnd> {
        // Anybody on the way can have put these bytes there; under TLS they would seem the client's.
        if !self.connection.input.is_empty() {
            return Err(SessionEnd::Say(Reply::BYTES_BEFORE_TLS));
        }
        let Some(tls) = &self.context.tls else {
            return self.say(&Reply::NOT_IMPLEMENTED);
        };
        let config = tls.config();
        self.say(&Reply::START_TLS)?;
        self.connection.flush().await?;
        if let Err(error) = self.connection.secure(config).await {
            self.context.counters.tls_failures.increment();
            tracing::debug!(client = %self.peer.address, %error, "a TLS handshake failed");
            return Err(SessionEnd::Gone);
        }
        self.context.counters.tls_sessions.increment();
        self.peer.tls = true;
        self.peer.login = None;
        self.peer.has_lost_login = false;
        self.framer = LineFramer::default();
        Ok(())
    }

    /// Replies to a command. One error too many gets 421 in its place.
    pub(super) fn say(&mut self, reply: &Reply) -> Result<(), SessionEnd> {
        self.count_error(reply)?;
        self.write(reply);
        Ok(())
    }

    pub(super) fn count_error(&mut self, reply: &Reply) -> Result<(), SessionEnd> {
        // A 4xx never says that the client did wrong (RFC 5321 §4.2.1: the same command may succeed later): what is
        // missing is ours, such as room or a service that we ask, or a next hop's. So it is with a recipient too
        // many, by which a client finds our limit (§4.5.3.1.10).
        self.errors += u32::from(reply.is_permanent());
        if self.errors >= limits::SESSION_ERRORS {
            return Err(SessionEnd::Say(Reply::TOO_MANY_ERRORS));
        }
        Ok(())
    }

    /// Puts a reply behind those that wait to be written.
    pub(super) fn write(&mut self, reply: &Reply) {
        self.context.counters.replied(reply.code);
        reply.write(&mut self.connection.output);
    }
}
