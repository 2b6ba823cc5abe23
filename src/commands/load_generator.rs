//! Feeds the demo: an SMTP client of the plainest kind, at a modest rate, through the real door.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use jiff::Timestamp;
use rand::RngExt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::sample_messages::SampleMessage;
use crate::limits;
use crate::message::date::HeaderDate;
use crate::smtp::Protocol;
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::command_writer::{self, MailParameters, RcptParameters};
use crate::smtp::dot_stuffing::DotStuffer;
use crate::smtp::reply::Reply;
use crate::smtp::reply_reader::ReplyReader;

/// Between two letters, about eight a second.
const PAUSE_MILLISECONDS: std::ops::Range<u64> = 40..210;

/// Sends letters to `door` until `shutdown`.
pub(super) async fn run(door: SocketAddr, shutdown: CancellationToken) {
    let under_way = Arc::new(Semaphore::new(limits::LOAD_MESSAGES));
    let mut number = 0;
    loop {
        let pause = Duration::from_millis(rand::rng().random_range(PAUSE_MILLISECONDS));
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(pause) => {}
        }
        let Ok(permit) = Arc::clone(&under_way).try_acquire_owned() else {
            continue;
        };
        number += 1;
        let letter = SampleMessage::write(number, HeaderDate(Timestamp::now()), &mut rand::rng());
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let sending = timeout(limits::LOAD_MESSAGE_WAIT, send(door, &letter));
            let result = tokio::select! {
                () = shutdown.cancelled() => return,
                result = sending => result,
            };
            match result {
                Ok(Ok(reply)) => debug!(number, %reply, "letter sent"),
                Ok(Err(error)) => debug!(number, %error, "letter not sent"),
                Err(_) => debug!(number, "letter given up"),
            }
        });
    }
}

/// Sends one letter on a connection of its own and gives the last reply.
async fn send(door: SocketAddr, letter: &SampleMessage) -> io::Result<Reply> {
    let mut conversation = FeederConnection::open(door).await?;
    let mut out = BytesMut::new();
    command_writer::hello(&mut out, Protocol::Smtp, "feeder.sender.example");
    conversation.ask(&mut out).await?;

    let sender = ReversePath::parse(&letter.sender).map_err(io::Error::other)?;
    command_writer::mail_from(&mut out, &sender, &MailParameters::default());
    let mut reply = conversation.ask(&mut out).await?;
    let mut accepted = 0;
    for recipient in &letter.recipients {
        if !reply.is_positive() && accepted == 0 {
            break;
        }
        let recipient = Mailbox::parse(recipient).map_err(io::Error::other)?;
        command_writer::rcpt_to(&mut out, &recipient, &RcptParameters::default());
        reply = conversation.ask(&mut out).await?;
        accepted += usize::from(reply.is_positive());
    }
    if accepted > 0 {
        out.extend_from_slice(b"DATA\r\n");
        reply = conversation.ask(&mut out).await?;
        if reply.is_intermediate() {
            write_content(letter, &mut out);
            reply = conversation.ask(&mut out).await?;
        }
    }
    out.extend_from_slice(b"QUIT\r\n");
    conversation.ask(&mut out).await?;
    Ok(reply)
}

fn write_content(letter: &SampleMessage, out: &mut BytesMut) {
    let mut stuffer = DotStuffer::default();
    stuffer.stuff(letter.content.as_bytes(), |piece| {
        out.extend_from_slice(piece);
    });
    out.extend_from_slice(stuffer.finish());
}

/// Commands and replies in turn. The caller bounds the time.
struct FeederConnection {
    stream: TcpStream,
    buffer: BytesMut,
    replies: ReplyReader,
}

impl FeederConnection {
    /// Connects and takes the greeting.
    async fn open(door: SocketAddr) -> io::Result<Self> {
        let mut conversation = Self {
            stream: TcpStream::connect(door).await?,
            buffer: BytesMut::new(),
            replies: ReplyReader::default(),
        };
        conversation.stream.set_nodelay(true)?;
        conversation.ask(&mut BytesMut::new()).await?;
        Ok(conversation)
    }

    /// Writes what is in `out`, and gives the reply.
    async fn ask(&mut self, out: &mut BytesMut) -> io::Result<Reply> {
        self.stream.write_all(&out.split()).await?;
        loop {
            if let Some(reply) = self.replies.next(&mut self.buffer) {
                return reply.map_err(io::Error::other);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::report_box::ReportBox;

    #[tokio::test]
    async fn a_letter_arrives_at_a_receiver() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let report_box = ReportBox::bind(any).await.expect("a port");
        let (address, count) = (report_box.address, report_box.count());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(report_box.serve(shutdown.clone()));
        let letter = SampleMessage::write(7, HeaderDate(Timestamp::UNIX_EPOCH), &mut rand::rng());
        let sending = timeout(Duration::from_secs(10), send(address, &letter));
        let reply = sending.await.expect("in time").expect("sent");
        assert_eq!(reply.code, 250);
        assert_eq!(count.value(), 1);
        shutdown.cancel();
        task.await.expect("it ended");
    }
}
