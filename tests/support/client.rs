//! An SMTP client that sends exactly the bytes it is told to and reads replies one by one.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::messages;
use super::wait;

/// Longer than any acknowledgement deadline a scene sets, with room for a loaded machine.
const REPLY_WAIT: Duration = Duration::from_secs(60);

/// One reply with all its lines, without their codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) lines: Vec<String>,
}

impl Reply {
    /// The text of all lines.
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// One connection to the appliance.
pub(crate) struct Client {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    buffer: BytesMut,
}

impl Client {
    /// Connects and reads nothing.
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        let stream = wait::within("a connection", REPLY_WAIT, TcpStream::connect(address)).await;
        Client::over(stream.expect("the appliance accepts the connection"))
    }

    fn over(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        Client {
            stream: Either::Left(stream),
            buffer: BytesMut::new(),
        }
    }

    /// Connects, reads the greeting and says EHLO.
    pub(crate) async fn greeted(address: SocketAddr) -> Client {
        let mut client = Client::connect(address).await;
        client.expect(220).await;
        client.command("EHLO client.example.org", 250).await;
        client
    }

    /// As [`Client::greeted`], from an address of its own.
    pub(crate) async fn greeted_from(source: Ipv4Addr, address: SocketAddr) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        let stream = wait::within("a connection", REPLY_WAIT, socket.connect(address)).await;
        let mut client = Client::over(stream.expect("the appliance accepts the connection"));
        client.expect(220).await;
        client.command("EHLO client.example.org", 250).await;
        client
    }

    /// As [`Client::greeted`], for scenes in which the appliance may be gone at any instant.
    pub(crate) async fn try_greeted(address: SocketAddr) -> io::Result<Client> {
        let mut client = Client {
            stream: Either::Left(TcpStream::connect(address).await?),
            buffer: BytesMut::new(),
        };
        client.try_expect(220).await?;
        client.send(b"EHLO client.example.org\r\n").await?;
        client.try_expect(250).await?;
        Ok(client)
    }

    /// The port this client speaks from.
    pub(crate) fn local_address(&self) -> SocketAddr {
        match &self.stream {
            Either::Left(stream) => stream.local_addr().unwrap(),
            Either::Right(stream) => stream.get_ref().0.local_addr().unwrap(),
        }
    }

    /// Sends these bytes and nothing else.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = tokio::time::timeout(REPLY_WAIT, self.stream.write_all(bytes));
        sent.await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// The next reply, or `None` when the other side has closed.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        match self.try_reply().await {
            Ok(reply) => reply,
            // A reset is how a close looks when bytes of ours were still unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("reading a reply: {error}"),
        }
    }

    /// As [`Client::reply`], with the connection's end as an error when it comes inside a reply.
    pub(crate) async fn try_reply(&mut self) -> io::Result<Option<Reply>> {
        let mut lines = Vec::new();
        loop {
            let Some(line) = self.line().await? else {
                return if lines.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            };
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code: u16 = code.unwrap_or_else(|| panic!("not a reply: {line:?}"));
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if !more {
                return Ok(Some(Reply { code, lines }));
            }
        }
    }

    /// The next reply, which must have this code.
    pub(crate) async fn expect(&mut self, code: u16) -> Reply {
        let reply = self.reply().await;
        let reply = reply.unwrap_or_else(|| panic!("closed where {code} was expected"));
        assert_eq!(reply.code, code, "{reply}");
        reply
    }

    async fn try_expect(&mut self, code: u16) -> io::Result<Reply> {
        let reply = self
            .try_reply()
            .await?
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        if reply.code == code {
            Ok(reply)
        } else {
            Err(io::Error::other(reply.to_string()))
        }
    }

    /// One command line and its reply, which must have this code.
    pub(crate) async fn command(&mut self, line: &str, code: u16) -> Reply {
        self.send(format!("{line}\r\n").as_bytes()).await.unwrap();
        let reply = self.reply().await;
        let reply = reply.unwrap_or_else(|| panic!("closed behind {line:?}"));
        assert_eq!(reply.code, code, "{line}: {reply}");
        reply
    }

    /// The other side closes without another word.
    pub(crate) async fn expect_close(&mut self) {
        let reply = self.reply().await;
        assert_eq!(reply, None, "a close was expected");
    }

    /// The TLS handshake behind the 220 to STARTTLS, with whatever certificate the appliance has.
    pub(crate) async fn handshake(self) -> Client {
        let Either::Left(stream) = self.stream else {
            panic!("TLS has been started already")
        };
        let name = ServerName::try_from(super::appliance::HOSTNAME).unwrap();
        let handshake = TlsConnector::from(Arc::new(trusting())).connect(name, stream);
        let stream = wait::within("the TLS handshake", REPLY_WAIT, handshake)
            .await
            .unwrap();
        Client {
            stream: Either::Right(Box::new(stream)),
            buffer: BytesMut::new(),
        }
    }

    /// The envelope of one message, command by command; the parameters are written as given.
    pub(crate) async fn envelope(&mut self, sender: &str, recipients: &[&str]) {
        self.command(&format!("MAIL FROM:{sender}"), 250).await;
        for recipient in recipients {
            self.command(&format!("RCPT TO:{recipient}"), 250).await;
        }
    }

    /// A whole transaction: envelope, content through DATA, and the final reply whatever it is.
    ///
    /// `sender` and `recipients` are written behind the colon as they stand: brackets, parameters.
    pub(crate) async fn message(
        &mut self,
        sender: &str,
        recipients: &[&str],
        content: &[u8],
    ) -> Reply {
        self.hand_over(sender, recipients, content).await;
        self.reply().await.expect("a reply to the end of data")
    }

    /// A whole transaction up to the final dot; the reply is left to be read.
    pub(crate) async fn hand_over(&mut self, sender: &str, recipients: &[&str], content: &[u8]) {
        self.envelope(sender, recipients).await;
        self.command("DATA", 354).await;
        self.send(&messages::stuffed(content)).await.unwrap();
    }

    /// As [`Client::message`], for scenes in which the appliance may be gone at any instant. The
    /// commands are pipelined as far as RFC 2920 allows.
    pub(crate) async fn try_message(
        &mut self,
        sender: &str,
        recipients: &[String],
        content: &[u8],
    ) -> io::Result<Reply> {
        let mut group = format!("MAIL FROM:<{sender}>\r\n");
        for recipient in recipients {
            group.push_str(&format!("RCPT TO:<{recipient}>\r\n"));
        }
        group.push_str("DATA\r\n");
        self.send(group.as_bytes()).await?;
        for _ in 0..=recipients.len() {
            self.try_expect(250).await?;
        }
        self.try_expect(354).await?;
        self.send(&messages::stuffed(content)).await?;
        self.try_reply()
            .await?
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// A whole transaction with the content in BDAT chunks of these sizes; what they leave over goes
    /// into a last chunk.
    pub(crate) async fn message_in_chunks(
        &mut self,
        sender: &str,
        recipients: &[&str],
        content: &[u8],
        sizes: &[usize],
    ) -> Reply {
        self.envelope(sender, recipients).await;
        let mut rest = content;
        for size in sizes {
            let (chunk, behind) = rest.split_at((*size).min(rest.len()));
            rest = behind;
            let reply = self.chunk(chunk, false).await;
            assert_eq!(reply.code, 250, "BDAT: {reply}");
        }
        self.chunk(rest, true).await
    }

    /// One BDAT chunk and its reply.
    pub(crate) async fn chunk(&mut self, chunk: &[u8], last: bool) -> Reply {
        let mut bytes = format!(
            "BDAT {}{}\r\n",
            chunk.len(),
            if last { " LAST" } else { "" }
        )
        .into_bytes();
        bytes.extend_from_slice(chunk);
        self.send(&bytes).await.unwrap();
        self.reply().await.expect("a reply to BDAT")
    }

    /// Says QUIT and waits for the close, so that the appliance knows the last reply was read.
    pub(crate) async fn quit(mut self) {
        self.command("QUIT", 221).await;
        self.expect_close().await;
    }

    /// Closes at once with a reset: nothing the appliance still writes can arrive.
    pub(crate) fn reset(self) {
        let Either::Left(stream) = self.stream else {
            panic!("a reset is for plain connections")
        };
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(stream);
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let line = self.buffer.split_to(end + 1);
                let line = line
                    .strip_suffix(b"\r\n")
                    .expect("a reply line ends with CRLF");
                return Ok(Some(String::from_utf8_lossy(line).into_owned()));
            }
            let read = tokio::time::timeout(REPLY_WAIT, self.stream.read_buf(&mut self.buffer));
            if read
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
                == 0
            {
                assert!(
                    !self.buffer.has_remaining(),
                    "the connection ended inside a line"
                );
                return Ok(None);
            }
        }
    }
}

/// A TLS configuration that takes any certificate: the appliance's own is self-signed, and what is
/// tested is that the handshake is the server's part of RFC 3207, not who signed what.
fn trusting() -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth()
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
