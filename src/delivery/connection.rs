//! One connection to a server: commands and content go out, replies come in, each within its time.
//!
//! A reply of SMTP says nothing of the command it answers: only its place in the order does. So every
//! command gives its [`Unanswered`], without which no reply can be had, and whatever comes while none is
//! owed was not asked for.

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

use super::resolve::Server;
use super::stream::Stream;
use super::trouble::{Trouble, Wait};
use super::verdicts::{self, Stage};
use crate::limits;
use crate::settings::TlsPolicy;
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command_writer;
use crate::smtp::reply::Reply;
use crate::smtp::reply_reader::ReplyReader;
use crate::sock_diag::Ends;

/// Most servers' replies to one batch of commands fit.
const RECEIVE_BYTES: usize = 1_024;

/// A command whose reply is still to come: what it takes to ask for that reply, once.
#[must_use = "the reply to the command is owed, and the connection is of no more use without it"]
#[derive(Debug)]
pub(super) struct Unanswered {
    /// Its place among all commands of the connection.
    number: u64,
    stage: Stage,
}

/// An open connection. Dropping it closes it: whoever has not come to an orderly end drops it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
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
    /// Where it is.
    pub(super) peer: SocketAddr,
    /// What it speaks.
    pub(super) protocol: Protocol,
    /// What we say that we are.
    pub(super) hostname: Arc<str>,
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

impl Connection {
    pub(super) fn new(
        stream: Stream,
        server: &Server,
        hostname: &Arc<str>,
        policy: TlsPolicy,
        counted: Counted,
    ) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            replies: ReplyReader::new(),
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

    pub(super) fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }

    /// What was agreed on for TLS; none without it.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        self.stream.tls()
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
    pub(super) fn is_quiet(&mut self) -> Result<(), Trouble> {
        if self.received.is_empty() {
            match self.read_now() {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(Trouble::Closed),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(Trouble::Broken(error)),
            }
        }
        self.out_of_step = true;
        match self.replies.next(&mut self.received) {
            Some(Ok(reply)) => Err(Trouble::Unasked(Some(reply))),
            Some(Err(error)) => Err(Trouble::Malformed(error)),
            None => Err(Trouble::Unasked(None)),
        }
    }

    /// The same, and certain: for the moment before something final.
    ///
    /// # Errors
    /// What came, or the end of the connection.
    pub(super) async fn is_surely_quiet(&mut self) -> Result<(), Trouble> {
        if self.stream.has_arrived() {
            // The runtime hears of it in a moment.
            let known = timeout(limits::FAST_COMMAND_WAIT, self.stream.readable()).await;
            known
                .map_err(|_| Trouble::TimedOut(Wait::Reply))?
                .map_err(Trouble::Broken)?;
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
            Stream::Plain(socket) if self.received.is_empty() => Some((socket, self.counted)),
            _ => None,
        }
    }

    /// Writes a command, to go out with the next write.
    pub(super) fn command(
        &mut self,
        stage: Stage,
        write: impl FnOnce(&mut BytesMut),
    ) -> Unanswered {
        write(&mut self.commands);
        self.owed(stage)
    }

    /// A reply that the server owes us from here on: to a command, or as its greeting.
    pub(super) fn owed(&mut self, stage: Stage) -> Unanswered {
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
    ) -> Result<Option<Trouble>, Trouble> {
        let sent = self.send_unless_spoken_to(wait).await;
        match sent {
            Ok(()) => Ok(None),
            Err(trouble) if trouble.is_disconnection() => Ok(Some(trouble)),
            Err(trouble) => Err(trouble),
        }
    }

    async fn send_unless_spoken_to(&mut self, wait: Duration) -> Result<(), Trouble> {
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
    ) -> Result<(), Trouble> {
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
    ) -> Result<Reply, Trouble> {
        let Unanswered { number, stage } = unanswered;
        if number != self.answered {
            return Err(Trouble::OutOfOrder(stage));
        }
        let reply = self.next_reply(wait).await?;
        self.answered += 1;
        self.out_of_step |= !stage.admits(&reply);
        self.must_agree |= stage == Stage::Data && !reply.is_intermediate();
        match self.out_of_step {
            false => Ok(self.said(reply)),
            true => Err(Trouble::NoAnswer(stage, reply)),
        }
    }

    /// What a server said in the middle of content that it does not take: some wait for the rest after
    /// that, most close. None: `trouble` has another cause.
    pub(super) async fn said_instead(
        &mut self,
        trouble: &Trouble,
        wait: Duration,
    ) -> Option<Reply> {
        let said = match trouble {
            Trouble::Unasked(said) => said.clone(),
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

    async fn next_reply(&mut self, wait: Duration) -> Result<Reply, Trouble> {
        if let Some(reply) = self.replies.next(&mut self.received) {
            return reply.map_err(Trouble::Malformed);
        }
        let deadline = Instant::now() + wait;
        loop {
            self.received.reserve(RECEIVE_BYTES);
            let read = timeout_at(deadline, self.stream.read_buf(&mut self.received));
            match read.await {
                Err(_) => return Err(Trouble::TimedOut(Wait::Reply)),
                Ok(Err(error)) => return Err(Trouble::Broken(error)),
                Ok(Ok(0)) => return Err(Trouble::Closed),
                Ok(Ok(_)) => {}
            }
            if let Some(reply) = self.replies.next(&mut self.received) {
                return reply.map_err(Trouble::Malformed);
            }
        }
    }

    /// The replies to the end of data, one for each recipient that was accepted: over LMTP the server has
    /// one for each (RFC 2033 §4.2), over SMTP one for all.
    ///
    /// # Errors
    /// Why it is not known what the server says of anybody.
    pub(super) async fn final_replies(&mut self, accepted: usize) -> Result<Vec<Reply>, Trouble> {
        let accepted = accepted.max(1);
        let owed = match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => accepted,
        };
        let mut replies = Vec::with_capacity(accepted);
        let deadline = Instant::now() + limits::AFTER_DOT_WAIT;
        for _ in 0..owed {
            let end_of_data = self.owed(Stage::EndOfData);
            let left = deadline.saturating_duration_since(Instant::now());
            match self.reply(end_of_data, left).await {
                Ok(reply) => replies.push(reply),
                // Over LMTP those before are in doubt, too: which one is missing is not known.
                Err(trouble) => return Err(self.broken_reply(trouble, &replies)),
            }
        }
        self.sent = self.asked;
        self.can_be_answers(&replies)?;
        self.content_bytes = 0;
        self.is_last_word(&replies)?;
        if let (Protocol::Smtp, Some(reply)) = (self.protocol, replies.first()) {
            replies.resize(accepted, reply.clone());
        }
        Ok(replies)
    }

    /// A server that said a part of its replies was not silent.
    fn broken_reply(&self, trouble: Trouble, before: &[Reply]) -> Trouble {
        match before.is_empty() && !self.replies.is_within(&self.received) {
            true => trouble,
            false => Trouble::HalfSaid(Box::new(trouble)),
        }
    }

    /// Whoever takes content has it: a reply that says so while some of it has not reached the server's
    /// machine answers something else. Little content finds room there even when nobody reads it.
    fn can_be_answers(&mut self, replies: &[Reply]) -> Result<(), Trouble> {
        let taken = replies.iter().find(|reply| reply.is_positive());
        let Some(taken) = taken.filter(|_| self.content_bytes > limits::CONTENT_IN_FLIGHT_BYTES)
        else {
            return Ok(());
        };
        // A kernel that does not say is no reason to doubt.
        if self
            .stream
            .ends()
            .and_then(Ends::has_everything)
            .unwrap_or(true)
        {
            return Ok(());
        }
        self.out_of_step = true;
        Err(Trouble::Unasked(Some(taken.clone())))
    }

    /// A server that was early says behind it what it makes of the content in truth.
    fn is_last_word(&mut self, replies: &[Reply]) -> Result<(), Trouble> {
        let Err(Trouble::Unasked(behind)) = self.is_quiet() else {
            return Ok(());
        };
        let takes_nothing_back = behind.as_ref().is_some_and(|behind| match self.protocol {
            Protocol::Smtp => verdicts::is_closing(behind) || behind.is_positive(),
            // One reply too many, and each may be somebody else's.
            Protocol::Lmtp => verdicts::is_closing(behind),
        });
        let is_taken = replies.iter().any(Reply::is_positive);
        match is_taken && !takes_nothing_back {
            true => Err(Trouble::Unasked(behind)),
            false => Ok(()),
        }
    }

    /// Sends one command and reads its reply.
    pub(super) async fn ask(
        &mut self,
        stage: Stage,
        wait: Duration,
        write: impl FnOnce(&mut BytesMut),
    ) -> Result<Reply, Trouble> {
        let unanswered = self.command(stage, write);
        let broken = self.send_commands(wait).await?;
        let reply = self.reply(unanswered, wait).await;
        reply.map_err(|trouble| broken.unwrap_or(trouble))
    }

    /// A point that both sides must agree on: nothing else is answered as EHLO is. It also ends whatever
    /// was begun (RFC 5321 §4.1.4).
    ///
    /// # Errors
    /// When the two sides do not speak of the same commands, or this server's answer does not show it.
    pub(super) async fn agree(&mut self, wait: Duration) -> Result<(), Trouble> {
        let (protocol, hostname) = (self.protocol, Arc::clone(&self.hostname));
        let hello = self.ask(Stage::Ehlo, wait, |commands| {
            command_writer::hello(commands, protocol, &hostname);
        });
        let reply = hello.await?;
        let offered = Capabilities::parse(&reply);
        if offered == Capabilities::default() || offered != self.capabilities {
            self.out_of_step = true;
            return Err(Trouble::NoAnswer(Stage::Ehlo, reply));
        }
        self.must_reset = false;
        self.must_agree = false;
        Ok(())
    }

    /// Takes leave, as a courtesy: whether it is heard does not matter.
    pub(super) async fn quit(mut self) {
        self.commands.clear();
        let asked = self.ask(Stage::Quit, limits::QUIT_WAIT, |commands| {
            commands.extend_from_slice(b"QUIT\r\n");
        });
        let _ = timeout(limits::QUIT_WAIT, asked).await;
    }
}

async fn send_all(
    stream: &mut Stream,
    mut slices: &mut [IoSlice<'_>],
    wait: Duration,
) -> Result<(), Trouble> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let sent = within(wait, stream.write_vectored(slices)).await?;
        if sent == 0 {
            return Err(Trouble::Broken(io::ErrorKind::WriteZero.into()));
        }
        IoSlice::advance_slices(&mut slices, sent);
    }
    within(wait, stream.flush()).await
}

async fn within<T>(wait: Duration, io: impl Future<Output = io::Result<T>>) -> Result<T, Trouble> {
    match timeout(wait, io).await {
        Ok(done) => done.map_err(Trouble::Broken),
        Err(_) => Err(Trouble::TimedOut(Wait::Room)),
    }
}
