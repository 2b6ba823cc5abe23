//! A session's stream with its two buffers: every wait of a session is here, and each is bounded.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::minimum_rate::MinimumRate;
use super::stream::{MaybeTlsStream, Transport};
use crate::limits;
use crate::message::Reservation;
use crate::path::ClientPresence;
use crate::smtp::reply::Reply;
use crate::sock_diag::Ends;

/// Why a conversation ends.
#[derive(Debug)]
pub(super) enum SessionEnd {
    /// The client is gone, or takes nothing more.
    Gone,
    /// The client said QUIT and had its reply.
    Quit,
    /// This is said, and then we close.
    Say(Reply),
    /// Everything was said, and we close.
    Close,
    /// The client was silent for too long or too slow.
    TimedOut,
}

/// How a wait for bytes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// There are more bytes in the input.
    Bytes,
    /// The deadline passed.
    Nothing,
}

/// A stream, what was read from it and not yet understood, and what is to be written to it.
#[derive(Debug)]
pub(super) struct SessionConnection<T> {
    stream: MaybeTlsStream<T>,
    /// What was read and not yet understood.
    pub(super) input: BytesMut,
    /// Replies that wait to be written together.
    pub(super) output: Vec<u8>,
    /// What the input may hold, and what that may grow to with data.
    room: usize,
    room_most: usize,
    /// What it may hold beyond [`limits::DATA_BUFFER_FIRST_BYTES`].
    pub(super) share: Reservation,
    /// The last read left no room.
    filled: bool,
    /// Bytes read so far: what the client can only have sent later stands behind it.
    pub(super) received: u64,
    alarm: Alarm,
}

impl<T: Transport> SessionConnection<T> {
    /// A connection on which `said` was read already; `share` is empty.
    pub(super) fn new(transport: T, said: BytesMut, share: Reservation) -> Self {
        let received = said.len() as u64;
        let mut input = said;
        input.reserve(limits::COMMAND_BUFFER_BYTES.saturating_sub(input.len()));
        Self {
            stream: MaybeTlsStream::plain(transport),
            input,
            output: Vec::new(),
            room: limits::COMMAND_BUFFER_BYTES,
            room_most: limits::DATA_BUFFER_BYTES,
            share,
            filled: false,
            received,
            alarm: Alarm::new(),
        }
    }

    /// Bytes understood so far: where the client's words stand that are dealt with now.
    pub(super) fn position(&self) -> u64 {
        self.received - self.input.len() as u64
    }

    /// Waits until there are more bytes in the input.
    ///
    /// # Errors
    /// When the client is gone, or when we shut down.
    pub(super) async fn read(
        &mut self,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Result<ReadOutcome, SessionEnd> {
        if shutdown.is_cancelled() {
            return Err(SessionEnd::Say(Reply::SHUTTING_DOWN));
        }
        self.make_room();
        let spare = self.input.capacity() - self.input.len();
        tokio::select! {
            biased;
            read = self.stream.read_buf(&mut self.input) => match read {
                Ok(0) | Err(_) => Err(SessionEnd::Gone),
                Ok(count) => {
                    self.filled = count == spare;
                    self.received += count as u64;
                    Ok(ReadOutcome::Bytes)
                }
            },
            () = shutdown.cancelled() => Err(SessionEnd::Say(Reply::SHUTTING_DOWN)),
            () = self.alarm.until(deadline) => Ok(ReadOutcome::Nothing),
        }
    }

    /// The same for data, until `deadline` at most: a client that fills the buffer gets a larger one, and
    /// one that is too slow gets 421.
    ///
    /// # Errors
    /// When the client is gone or too slow, or when we shut down.
    pub(super) async fn read_data(
        &mut self,
        rate: &mut MinimumRate,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Result<ReadOutcome, SessionEnd> {
        if self.filled {
            self.widen(self.room * 2);
        }
        let before = self.received;
        let too_slow = rate.deadline();
        match self.read(deadline.min(too_slow), shutdown).await? {
            ReadOutcome::Bytes => {
                rate.arrived(self.received - before, Instant::now());
                Ok(ReadOutcome::Bytes)
            }
            ReadOutcome::Nothing if deadline < too_slow => Ok(ReadOutcome::Nothing),
            ReadOutcome::Nothing => Err(SessionEnd::TimedOut),
        }
    }

    /// Data begins, for which the input may grow to `most` bytes.
    pub(super) fn expect_data(&mut self, most: usize) {
        self.room_most = most;
        self.widen(limits::DATA_BUFFER_FIRST_BYTES);
    }

    /// Lets the input hold at least `room` bytes, as far as data may and the memory budget has them.
    fn widen(&mut self, room: usize) {
        let room = room.min(self.room_most);
        if room <= self.room {
            return;
        }
        let more = beyond_the_first(room).saturating_sub(self.share.bytes());
        if more == 0 || self.share.grow(more) {
            self.room = room;
        }
    }

    /// The same, whether the budget has them or not: for what is no longer than a few kilobytes and could
    /// not be read otherwise.
    pub(super) fn widen_regardless(&mut self, room: usize) {
        if room > self.room {
            let more = beyond_the_first(room).saturating_sub(self.share.bytes());
            self.share.grow_regardless(more);
            self.room = room;
        }
    }

    /// The buffer never holds more than `room`, not even in front of what it shows.
    fn make_room(&mut self) {
        let wanted = self.room.saturating_sub(self.input.len());
        let spare = self.input.capacity() - self.input.len();
        if wanted > spare && !self.input.try_reclaim(wanted) {
            self.resize();
        }
    }

    fn resize(&mut self) {
        let mut resized = BytesMut::with_capacity(self.room.max(self.input.len()));
        resized.extend_from_slice(&self.input);
        self.input = resized;
    }

    /// Gives grown buffers back: the client is silent.
    pub(super) fn shrink(&mut self) {
        if self.room > limits::COMMAND_BUFFER_BYTES {
            self.room = limits::COMMAND_BUFFER_BYTES;
            self.filled = false;
            self.resize();
            self.share
                .shrink_to(beyond_the_first(self.input.capacity()));
        }
        self.output.shrink_to(limits::COMMAND_BUFFER_BYTES);
    }

    /// Writes the replies that wait, all in one.
    ///
    /// # Errors
    /// When the client is gone or does not take them.
    pub(super) async fn flush(&mut self) -> Result<(), SessionEnd> {
        if self.output.is_empty() {
            return Ok(());
        }
        let stream = &mut self.stream;
        let output = &self.output;
        let written = self
            .alarm
            .bound(limits::REPLY_WAIT, async {
                stream.write_all(output).await?;
                stream.flush().await
            })
            .await;
        self.output.clear();
        match written {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(SessionEnd::Gone),
        }
    }

    /// Speaks TLS from here on.
    ///
    /// # Errors
    /// When the handshake fails or takes too long.
    pub(super) async fn secure(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        debug_assert!(self.input.is_empty(), "the caller has refused such bytes");
        self.alarm
            .bound(limits::TLS_HANDSHAKE_WAIT, self.stream.secure(config))
            .await
            .unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }

    /// The ends of what carries it; none for a pipe.
    pub(super) fn ends(&self) -> Option<Ends> {
        self.stream.ends()
    }

    /// Closes in order: says that nothing more comes, and with `patient` reads on for a moment.
    pub(super) async fn close(mut self, patient: bool) {
        let stream = &mut self.stream;
        let input = &mut self.input;
        let farewell = async {
            let shut = stream.shutdown().await;
            if shut.is_err() || !patient {
                return;
            }
            loop {
                input.clear();
                if let Ok(0) | Err(_) = stream.read_buf(input).await {
                    return;
                }
            }
        };
        self.alarm.bound(limits::CLOSE_WAIT, farewell).await;
    }

    /// Reads what has arrived, without waiting and without leaving a waker behind.
    fn read_now(&mut self) -> Poll<io::Result<usize>> {
        self.make_room();
        let mut nobody = Context::from_waker(Waker::noop());
        let read = pin!(self.stream.read_buf(&mut self.input)).poll(&mut nobody);
        if let Poll::Ready(Ok(count)) = read {
            self.received += count as u64;
        }
        read
    }
}

/// What is reserved for an input of so many bytes.
fn beyond_the_first(room: usize) -> u64 {
    room.saturating_sub(limits::DATA_BUFFER_FIRST_BYTES) as u64
}

impl<T: Transport> ClientPresence for SessionConnection<T> {
    /// Asked at the commit gate. Whoever fills our buffer with pipelined commands is there: behind
    /// them the end of file cannot be seen.
    async fn still_there(&mut self) -> bool {
        // Out of budget, the stream would say "nothing yet" without a look.
        tokio::task::unconstrained(poll_fn(|_| {
            while self.input.len() < limits::COMMAND_BUFFER_BYTES {
                match self.read_now() {
                    Poll::Pending => return Poll::Ready(true),
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(false),
                    Poll::Ready(Ok(_)) => {}
                }
            }
            Poll::Ready(true)
        }))
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MemoryBudget;
    use std::time::Duration;
    use tokio::io::duplex;
    use tokio::net::{TcpListener, TcpStream};

    /// A share of a budget that nobody else has.
    fn share(budget_bytes: u64) -> Reservation {
        Reservation::empty(MemoryBudget::new(budget_bytes))
    }

    async fn pair() -> (TcpStream, SessionConnection<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (
            client.unwrap(),
            SessionConnection::new(accepted.unwrap().0, BytesMut::new(), share(0)),
        )
    }

    async fn wait_until_gone<T: Transport>(connection: &mut SessionConnection<T>) {
        let gone = async {
            while connection.still_there().await {
                tokio::task::yield_now().await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(10), gone).await;
        assert!(gone.is_ok(), "the end of file was not seen");
    }

    #[tokio::test]
    async fn presence_keeps_pipelined_bytes() {
        let (mut client, mut connection) = duplex(1_000);
        client.write_all(b"NOOP\r\nQUIT\r\n").await.unwrap();
        let mut server = SessionConnection::new(&mut connection, BytesMut::new(), share(0));
        assert!(server.still_there().await);
        assert!(server.still_there().await);
        assert_eq!(&server.input[..], b"NOOP\r\nQUIT\r\n");
        assert_eq!((server.position(), server.received), (0, 12));
        drop(client);
        assert!(!server.still_there().await);
        assert_eq!(&server.input[..], b"NOOP\r\nQUIT\r\n");
    }

    #[tokio::test]
    async fn a_client_that_closes_its_socket_is_gone() {
        let (mut client, mut connection) = pair().await;
        assert!(connection.still_there().await);
        client.write_all(b"QUIT\r\n").await.unwrap();
        drop(client);
        wait_until_gone(&mut connection).await;
        assert_eq!(&connection.input[..], b"QUIT\r\n");
    }

    #[tokio::test]
    async fn a_client_that_resets_its_socket_is_gone() {
        let (client, mut connection) = pair().await;
        client.set_zero_linger().unwrap();
        drop(client);
        wait_until_gone(&mut connection).await;
    }

    #[tokio::test]
    async fn a_full_buffer_counts_as_there() {
        let (mut client, server) = duplex(1 << 20);
        let mut connection = SessionConnection::new(server, BytesMut::new(), share(0));
        client.write_all(&b"NOOP\r\n".repeat(2_000)).await.unwrap();
        drop(client);
        assert!(connection.still_there().await);
        assert!(connection.input.len() >= limits::COMMAND_BUFFER_BYTES);
        assert!(connection.input.len() <= 2 * limits::COMMAND_BUFFER_BYTES);
    }

    /// What the buffer grows to when `bytes` come at once, and what it holds of a budget of `budget_bytes`.
    async fn grown(
        bytes: usize,
        budget_bytes: u64,
    ) -> (SessionConnection<tokio::io::DuplexStream>, u64) {
        let (mut client, server) = duplex(1 << 20);
        let share = share(budget_bytes);
        let mut connection = SessionConnection::new(server, BytesMut::new(), share);
        let shutdown = CancellationToken::new();
        client.write_all(&vec![b'a'; bytes]).await.unwrap();
        let mut rate = MinimumRate::begin(Instant::now(), limits::DATA_RATE_BYTES_PER_SECOND);
        connection.expect_data(limits::CUT_THROUGH_BUFFER_BYTES);
        while connection.received < bytes as u64 {
            connection.input.clear();
            let deadline = rate.deadline();
            let read = connection.read_data(&mut rate, deadline, &shutdown).await;
            assert_eq!(read.unwrap(), ReadOutcome::Bytes);
            assert!(connection.input.capacity() <= connection.room);
        }
        let held = connection.share.bytes();
        (connection, held)
    }

    #[tokio::test]
    async fn the_buffer_grows_with_data_and_shrinks_with_silence() {
        let (mut connection, held) = grown(300_000, 1 << 20).await;
        assert_eq!(connection.room, limits::CUT_THROUGH_BUFFER_BYTES);
        assert_eq!(held, beyond_the_first(limits::CUT_THROUGH_BUFFER_BYTES));
        connection.input.truncate(10);
        connection.shrink();
        assert_eq!(&connection.input[..], b"aaaaaaaaaa");
        assert_eq!(connection.input.capacity(), limits::COMMAND_BUFFER_BYTES);
        assert_eq!(connection.share.bytes(), 0);
    }

    #[tokio::test]
    async fn the_buffer_grows_as_far_as_there_is_memory() {
        let first = limits::DATA_BUFFER_FIRST_BYTES;
        for (budget_bytes, room) in [(0, first), (8_192, 2 * first), (24_576, 4 * first)] {
            let (connection, held) = grown(300_000, budget_bytes).await;
            assert_eq!(connection.room, room);
            assert_eq!(held, beyond_the_first(room));
        }
        // Ordinary messages do not ask for any.
        let (_, held) = grown(8_000, 1 << 20).await;
        assert_eq!(held, 0);
    }

    #[tokio::test]
    async fn silence_within_data_is_no_slowness() {
        let (mut client, server) = duplex(1 << 20);
        let mut connection = SessionConnection::new(server, BytesMut::new(), share(0));
        let shutdown = CancellationToken::new();
        let mut rate = MinimumRate::begin(Instant::now(), limits::DATA_RATE_BYTES_PER_SECOND);
        tokio::time::pause();
        let idle = Instant::now() + limits::BUFFER_IDLE;
        let read = connection.read_data(&mut rate, idle, &shutdown).await;
        assert_eq!(read.unwrap(), ReadOutcome::Nothing);
        let deadline = rate.deadline();
        let read = connection.read_data(&mut rate, deadline, &shutdown).await;
        assert!(matches!(read, Err(SessionEnd::TimedOut)));
        client.write_all(b"a").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_off() {
        let (client, server) = duplex(16);
        let mut connection = SessionConnection::new(server, BytesMut::new(), share(0));
        let began = Instant::now();
        connection.output.extend_from_slice(&[b'a'; 100]);
        assert!(matches!(connection.flush().await, Err(SessionEnd::Gone)));
        assert_eq!(began.elapsed(), limits::REPLY_WAIT);
        drop(client);
    }
}
