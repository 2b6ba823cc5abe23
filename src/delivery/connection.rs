//! One connection to a server: commands and content go out, replies come in, each within its time.
//!
//! A reply of SMTP says nothing of the command it answers: only its place in the order does. So every
//! command gives its [`Unanswered`], without which no reply can be had, and whatever comes while none is
//! owed was not asked for.

mod final_replies;

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::either::Either;

use super::conversation_error::{ConversationError, Wait};
use super::resolve::MailServer;
use super::stream::{self, ServerStream};
use super::verdicts::SmtpStage;
use crate::limits;
use crate::settings::TlsPolicy;
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command_writer;
use crate::smtp::reply::Reply;
use crate::smtp::reply_reader::ReplyReader;

/// Most servers' replies to one batch of commands fit.
const RECEIVE_BYTES: usize = 1_024;

/// A command whose reply is still to come: what it takes to ask for that reply, once.
#[must_use = "the reply to the command is owed, and the connection is of no more use without it"]
#[derive(Debug)]
pub(super) struct Unanswered {
    /// Its place among all commands of the connection.
    number: u64,
    stage: SmtpStage,
}

/// An open connection. Dropping it closes it, which is what follows where it has not come to an orderly end.
#[derive(Debug)]
pub(super) struct ServerConnection {
    stream: ServerStream,
    received: BytesMut,
    replies: ReplyReader,
    /// Commands that go out with the next write.
    commands: BytesMut,
    /// Commands so far, those that wait to go out included.
    asked: u64,
    /// Commands that went out.
    sent: u64,
    /// Replies so far.
    answered: u64,
    /// Something came that was not asked for: what comes next may belong to anything.
    out_of_step: bool,
    /// Bytes of content that went out since the last reply.
    content_bytes: usize,
    /// What the server offers.
    pub(super) capabilities: Capabilities,
    /// By which name it was found; an address as text when it has none.
    host: Arc<str>,
    pub(super) peer: SocketAddr,
    pub(super) protocol: Protocol,
    /// What we say that we are.
    hostname: Arc<str>,
    /// The policy it was opened under.
    pub(super) policy: TlsPolicy,
    /// When it was connected.
    pub(super) opened_at: Instant,
    /// It has carried a transaction before this one.
    pub(super) reused: bool,
    /// The last transaction was left open on the server's side: RSET goes before the next MAIL.
    pub(super) must_reset: bool,
    /// DATA was not answered by 354: should that reply have been to something else, a 354 may be on its way,
    /// and would pass for the answer to the next DATA. Both sides agree before the next MAIL.
    pub(super) must_agree: bool,
    counted: Counted,
}

/// A connection's share in its next hop's number of open connections.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicU32>);

impl Counted {
    pub(super) fn new(open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServerConnection {
    pub(super) fn new(
        stream: ServerStream,
        server: &MailServer,
        hostname: &Arc<str>,
        policy: TlsPolicy,
        counted: Counted,
    ) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            replies: ReplyReader::default(),
            commands: BytesMut::new(),
            asked: 0,
            sent: 0,
            answered: 0,
            out_of_step: false,
            content_bytes: 0,
            capabilities: Capabilities::default(),
            host: Arc::clone(&server.host),
            peer: server.address,
            protocol: server.protocol,
            hostname: Arc::clone(hostname),
            policy,
            opened_at: Instant::now(),
            reused: false,
            must_reset: false,
            must_agree: false,
            counted,
        }
    }

    /// What was agreed on for TLS; none without it.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        match &self.stream {
            Either::Left(_) => None,
            Either::Right(stream) => Some(stream.get_ref().1),
        }
    }

    /// Every command has its reply, and nothing came unasked: another transaction may begin.
    pub(super) fn is_settled(&mut self) -> bool {
        self.asked == self.answered && !self.out_of_step && self.is_quiet().is_ok()
    }

    /// Nothing has come that nobody asked for. Asked while no reply is owed, so that whatever is there
    /// cannot be the answer to what is sent next. Costs no system call while nothing has come.
    ///
    /// # Errors
    /// What came, or the end of the connection.
    pub(super) fn is_quiet(&mut self) -> Result<(), ConversationError> {
        if self.received.is_empty() {
            match self.read_now() {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(ConversationError::Closed),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(ConversationError::Broken(error)),
            }
        }
        self.out_of_step = true;
        match self.replies.next(&mut self.received) {
            Some(Ok(reply)) => Err(ConversationError::Unasked(Some(reply))),
            Some(Err(error)) => Err(ConversationError::Malformed(error)),
            None => Err(ConversationError::Unasked(None)),
        }
    }

    /// The same, and certain: for the moment before something final.
    ///
    /// # Errors
    /// What came, or the end of the connection.
    pub(super) async fn is_surely_quiet(&mut self) -> Result<(), ConversationError> {
        let socket = stream::socket(&self.stream);
        if stream::has_arrived(socket) {
            // The runtime hears of it in a moment.
            let known = timeout(limits::FAST_COMMAND_WAIT, socket.readable()).await;
            known
                .map_err(|_| ConversationError::TimedOut(Wait::Reply))?
                .map_err(ConversationError::Broken)?;
        }
        self.is_quiet()
    }

    /// Reads what has arrived, without a wait: under TLS what is decrypted, too.
    fn read_now(&mut self) -> Poll<io::Result<usize>> {
        self.received.reserve(RECEIVE_BYTES);
        let mut nobody = Context::from_waker(Waker::noop());
        // Out of budget, the stream would say "nothing yet" without a look.
        let read = tokio::task::unconstrained(self.stream.read_buf(&mut self.received));
        pin!(read).poll(&mut nobody)
    }

    /// Takes the socket out, to put TLS around it. None: bytes came behind the reply that allowed it,
    /// which somebody in the middle may have put there, or it is TLS already.
    pub(super) fn into_socket(self) -> Option<(TcpStream, Counted)> {
        match self.stream {
            Either::Left(socket) if self.received.is_empty() => Some((socket, self.counted)),
            _ => None,
        }
    }

    /// Writes a command, to go out with the next write.
    pub(super) fn command(
        &mut self,
        stage: SmtpStage,
        write: impl FnOnce(&mut BytesMut),
    ) -> Unanswered {
        write(&mut self.commands);
        self.owed(stage)
    }

    /// A reply that the server owes us from here on: to a command, or as its greeting.
    fn owed(&mut self, stage: SmtpStage) -> Unanswered {
        let number = self.asked;
        self.asked += 1;
        Unanswered { number, stage }
    }

    /// Sends the commands that wait; `wait` bounds each time that the socket takes some. Gives how the
    /// connection broke meanwhile: a server that hangs up may have said why, even though it did not hear us.
    ///
    /// # Errors
    /// When there is no reply to hope for, or something came before the commands, which would be taken for
    /// the reply to the first.
    pub(super) async fn send_commands(
        &mut self,
        wait: Duration,
    ) -> Result<Option<ConversationError>, ConversationError> {
        let sent = self.send_unless_spoken_to(wait).await;
        match sent {
            Ok(()) => Ok(None),
            Err(trouble) if trouble.is_disconnection() => Ok(Some(trouble)),
            Err(trouble) => Err(trouble),
        }
    }

    async fn send_unless_spoken_to(&mut self, wait: Duration) -> Result<(), ConversationError> {
        if self.sent == self.answered {
            self.is_quiet()?;
        }
        self.sent = self.asked;
        let sent = send_all(&mut self.stream, &mut [IoSlice::new(&self.commands)], wait).await;
        self.commands.clear();
        sent
    }

    /// Sends content, in one vectored write where the socket takes it; `wait` bounds each time that the
    /// socket takes some.
    ///
    /// # Errors
    /// Also when something came before it: a server that says something in the middle of content has
    /// answered early, or not us.
    pub(super) async fn send_content(
        &mut self,
        pieces: &[&[u8]],
        wait: Duration,
    ) -> Result<(), ConversationError> {
        self.is_quiet()?;
        self.content_bytes += pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        send_all(&mut self.stream, &mut slices, wait).await
    }

    /// The reply to a command that was sent.
    ///
    /// # Errors
    /// Also when the reply cannot be one to this command, or belongs to one before it: then the two
    /// sides do not agree on what was said.
    pub(super) async fn reply(
        &mut self,
        unanswered: Unanswered,
        wait: Duration,
    ) -> Result<Reply, ConversationError> {
        let Unanswered { number, stage } = unanswered;
        if number != self.answered {
            return Err(ConversationError::OutOfOrder(stage));
        }
        let reply = self.next_reply(wait).await?;
        self.answered += 1;
        self.out_of_step |= !stage.admits(&reply);
        self.must_agree |= stage == SmtpStage::Data && !reply.is_intermediate();
        match self.out_of_step {
            false => Ok(self.said(reply)),
            true => Err(ConversationError::NoAnswer(stage, reply)),
        }
    }

    /// What a server said in the middle of content that it does not take: some wait for the rest after
    /// that, most close. None: `trouble` has another cause.
    pub(super) async fn said_instead(
        &mut self,
        trouble: &ConversationError,
        wait: Duration,
    ) -> Option<Reply> {
        let said = match trouble {
            ConversationError::Unasked(said) => said.clone(),
            trouble if trouble.is_disconnection() => self.next_reply(wait).await.ok(),
            _ => None,
        };
        said.filter(|reply| reply.is_transient() || reply.is_permanent())
            .map(|reply| self.said(reply))
    }

    fn said(&self, reply: Reply) -> Reply {
        Reply {
            said_by: Some(Arc::clone(&self.host)),
            ..reply
        }
    }

    async fn next_reply(&mut self, wait: Duration) -> Result<Reply, ConversationError> {
        if let Some(reply) = self.replies.next(&mut self.received) {
            return reply.map_err(ConversationError::Malformed);
        }
        let deadline = Instant::now() + wait;
        loop {
            self.received.reserve(RECEIVE_BYTES);
            let read = timeout_at(deadline, self.stream.read_buf(&mut self.received));
            match read.await {
                Err(_) => return Err(ConversationError::TimedOut(Wait::Reply)),
                Ok(Err(error)) => return Err(ConversationError::Broken(error)),
                Ok(Ok(0)) => return Err(ConversationError::Closed),
                Ok(Ok(_)) => {}
            }
            if let Some(reply) = self.replies.next(&mut self.received) {
                return reply.map_err(ConversationError::Malformed);
            }
        }
    }

    pub(super) async fn ask(
        &mut self,
        stage: SmtpStage,
        wait: Duration,
        write: impl FnOnce(&mut BytesMut),
    ) -> Result<Reply, ConversationError> {
        let unanswered = self.command(stage, write);
        let broken = self.send_commands(wait).await?;
        let reply = self.reply(unanswered, wait).await;
        reply.map_err(|trouble| broken.unwrap_or(trouble))
    }

    /// The same with a command that is always the same.
    pub(super) async fn say(
        &mut self,
        stage: SmtpStage,
        wait: Duration,
        command: &'static [u8],
    ) -> Result<Reply, ConversationError> {
        let write = |commands: &mut BytesMut| commands.extend_from_slice(command);
        self.ask(stage, wait, write).await
    }

    /// What the server says when it is connected to.
    pub(super) async fn greeting(&mut self, wait: Duration) -> Result<Reply, ConversationError> {
        let greeting = self.owed(SmtpStage::Greeting);
        self.reply(greeting, wait).await
    }

    /// EHLO; LHLO over LMTP.
    pub(super) async fn hello(&mut self, wait: Duration) -> Result<Reply, ConversationError> {
        let (protocol, hostname) = (self.protocol, Arc::clone(&self.hostname));
        let write = |commands: &mut BytesMut| command_writer::hello(commands, protocol, &hostname);
        self.ask(SmtpStage::Ehlo, wait, write).await
    }

    /// HELO, for a server that does not know EHLO.
    pub(super) async fn helo(&mut self, wait: Duration) -> Result<Reply, ConversationError> {
        let hostname = Arc::clone(&self.hostname);
        let write = |commands: &mut BytesMut| command_writer::helo(commands, &hostname);
        self.ask(SmtpStage::Ehlo, wait, write).await
    }

    /// A point that both sides must agree on: nothing else is answered as EHLO is. It also ends whatever
    /// was begun (RFC 5321 §4.1.4).
    ///
    /// # Errors
    /// When the two sides do not speak of the same commands, or this server's answer does not show it.
    pub(super) async fn agree(&mut self, wait: Duration) -> Result<(), ConversationError> {
        let reply = self.hello(wait).await?;
        let offered = Capabilities::parse(&reply);
        if offered == Capabilities::default() || offered != self.capabilities {
            self.out_of_step = true;
            return Err(ConversationError::NoAnswer(SmtpStage::Ehlo, reply));
        }
        self.must_reset = false;
        self.must_agree = false;
        Ok(())
    }

    /// Takes leave, as a courtesy: whether it is heard does not matter.
    pub(super) async fn quit(mut self) {
        self.commands.clear();
        let asked = self.say(SmtpStage::Quit, limits::QUIT_WAIT, b"QUIT\r\n");
        let _ = timeout(limits::QUIT_WAIT, asked).await;
    }
}

async fn send_all(
    stream: &mut ServerStream,
    mut slices: &mut [IoSlice<'_>],
    wait: Duration,
) -> Result<(), ConversationError> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let sent = within(wait, stream.write_vectored(slices)).await?;
        if sent == 0 {
            return Err(ConversationError::Broken(io::ErrorKind::WriteZero.into()));
        }
        IoSlice::advance_slices(&mut slices, sent);
    }
    within(wait, stream.flush()).await
}

async fn within<T>(
    wait: Duration,
    io: impl Future<Output = io::Result<T>>,
) -> Result<T, ConversationError> {
    match timeout(wait, io).await {
        Ok(done) => done.map_err(ConversationError::Broken),
        Err(_) => Err(ConversationError::TimedOut(Wait::Room)),
    }
}
