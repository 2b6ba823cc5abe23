//! The demo's box for reports: a tiny receiver that takes mail with the null sender, which the
//! embedded destination cannot (docs/decisions/0001-mailin-embedded-is-the-sink.md).
//!
//! It offers no extension and keeps nothing but a count.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::smtp::command::Command;
use crate::smtp::end_of_data::DataDecoder;
use crate::smtp::line::LineFramer;
use crate::smtp::reply::Reply;
use crate::statistics::counters::Counter;

/// The box, bound.
#[derive(Debug)]
pub(super) struct ReportBox {
    listener: TcpListener,
    /// Where it listens.
    pub(super) address: SocketAddr,
    count: Arc<Counter>,
}

impl ReportBox {
    /// Binds `address`.
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            count: Arc::default(),
        })
    }

    /// The count of what arrives.
    pub(super) fn count(&self) -> Arc<Counter> {
        Arc::clone(&self.count)
    }

    /// Takes mail until `shutdown`.
    pub(super) async fn serve(self, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(limits::REPORT_BOX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, most likely: let others close theirs first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let count = self.count();
            let connection = ReportConnection {
                stream,
                buffer: BytesMut::new(),
            };
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                let _place = place;
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    // A client that breaks off is no concern of a demo.
                    _ = connection.run(&count) => {}
                }
            });
        }
    }
}

struct ReportConnection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl ReportConnection {
    async fn run(mut self, count: &Counter) -> io::Result<()> {
        let mut lines = LineFramer::default();
        let mut recipients = 0;
        self.say(&Reply::plain(220, "report-box.fastpath")).await?;
        loop {
            let Some(line) = lines.next(&mut self.buffer, limits::COMMAND_LINE_BYTES) else {
                self.read().await?;
                continue;
            };
            let reply = match line.map(|line| Command::parse(&line, true)) {
                Err(error) => error.reply(),
                Ok(Err(error)) => error.reply(),
                Ok(Ok(command)) => match command {
                    Command::Helo(_) | Command::Ehlo(_) => Reply::plain(250, "report-box.fastpath"),
                    Command::Mail(_) | Command::Rset => {
                        recipients = 0;
                        Reply::OK
                    }
                    Command::Rcpt(_) => {
                        recipients += 1;
                        Reply::RECIPIENT_OK
                    }
                    Command::Data if recipients > 0 => {
                        self.say(&Reply::START_DATA).await?;
                        self.skip_content().await?;
                        count.increment();
                        recipients = 0;
                        Reply::OK
                    }
                    Command::Data => Reply::bad_sequence("RCPT first"),
                    Command::Noop => Reply::OK,
                    Command::Quit => return self.say(&Reply::CLOSING).await,
                    _ => Reply::NOT_IMPLEMENTED,
                },
            };
            self.say(&reply).await?;
        }
    }

    /// Reads on to the end of data.
    async fn skip_content(&mut self) -> io::Result<()> {
        let mut decoder = DataDecoder::default();
        loop {
            let decoded = decoder.decode(&self.buffer, &mut |_| {});
            self.buffer.advance(decoded.consumed);
            if decoded.finished {
                return Ok(());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer);
        match timeout(limits::REPORT_BOX_WAIT, read).await?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn say(&mut self, reply: &Reply) -> io::Result<()> {
        let mut out = BytesMut::new();
        reply.write(&mut out);
        timeout(limits::REPORT_BOX_WAIT, self.stream.write_all(&out)).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_takes_the_null_sender() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let report_box = ReportBox::bind(any).await.expect("a port");
        let (address, count) = (report_box.address, report_box.count());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(report_box.serve(shutdown.clone()));
        let mut client = TcpStream::connect(address).await.expect("it listens");
        client
            .write_all(
                b"EHLO a\r\nMAIL FROM:<>\r\nDATA\r\nRCPT TO:<a@sender.example>\r\nDATA\r\n\
                  Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n",
            )
            .await
            .expect("sent");
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.expect("answers");
        let codes: Vec<&str> = answers.lines().map(|line| &line[..3]).collect();
        assert_eq!(
            codes,
            ["220", "250", "250", "503", "250", "354", "250", "221"]
        );
        assert_eq!(count.value(), 1);
        shutdown.cancel();
        task.await.expect("it ended");
    }
}
