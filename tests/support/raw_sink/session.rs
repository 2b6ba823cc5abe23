//! One connection to a sink: framing of its own, strict to the letter, so that what the appliance
//! puts on the wire is judged and not forgiven.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::super::messages;
use super::script::{Answer, Script};
use super::{Arrival, KEPT_MESSAGES, Shared, Transport, address_of};

/// What the longest command may be; a longer one is a fault of the sender that fails the session.
const LINE_BYTES: usize = 4_096;
/// The end of data, together with the CRLF in front of it.
const END_OF_DATA: &[u8] = b"\r\n.\r\n";

/// Why a session is over.
struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Over {
        Over
    }
}

struct Session {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    buffer: BytesMut,
    shared: Arc<Shared>,
    envelope: Option<Envelope>,
    /// Each recipient has a reply of its own to the end of data (RFC 2033 §4.2).
    speaks_lmtp: bool,
}

/// A transaction under way.
struct Envelope {
    sender: String,
    recipients: Vec<String>,
    /// What BDAT has brought so far.
    chunks: Vec<u8>,
}

pub(super) async fn run(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut generation = shared.generation.subscribe();
    let session = Session {
        stream: Either::Left(stream),
        buffer: BytesMut::new(),
        shared,
        envelope: None,
        speaks_lmtp: false,
    };
    // However it ends, what matters stands in the record.
    tokio::select! {
        _ = session.conduct() => {}
        _ = generation.changed() => {}
    }
}

/// The sink's side of TLS, with a certificate that nobody has reason to trust.
fn acceptor() -> TlsAcceptor {
    let own = rcgen::generate_simple_self_signed(vec!["sink.example.net".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Session {
    fn script(&self) -> Script {
        self.shared.script()
    }

    async fn conduct(mut self) -> Result<(), Over> {
        let greeting = self.script().greeting;
        self.perform(greeting).await?;
        loop {
            self.converse().await?;
            self = self.secured().await?;
        }
    }

    fn is_secured(&self) -> bool {
        matches!(self.stream, Either::Right(_))
    }

    /// The session under TLS, which remembers nothing of what was said in the clear.
    async fn secured(self) -> Result<Session, Over> {
        match self.stream {
            Either::Left(stream) if self.buffer.is_empty() => Ok(Session {
                stream: Either::Right(Box::new(acceptor().accept(stream).await?)),
                envelope: None,
                ..self
            }),
            _ => Err(Over),
        }
    }

    /// Until the client may begin with TLS.
    async fn converse(&mut self) -> Result<(), Over> {
        loop {
            let line = self.line().await?;
            self.shared
                .note(|record| record.commands.push(line.clone()));
            let (verb, argument) = line.split_at(line.find([' ', ':']).unwrap_or(line.len()));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.ehlo().await?,
                "LHLO" => {
                    self.speaks_lmtp = true;
                    self.ehlo().await?;
                }
                "HELO" | "NOOP" => self.say("250 Ok").await?,
                "RSET" => {
                    self.envelope = None;
                    self.say("250 2.0.0 Ok").await?;
                }
                "STARTTLS" => {
                    let answer = self.script().start_tls;
                    if self.perform(answer).await? == 220 {
                        return Ok(());
                    }
                }
                "MAIL" => self.mail(argument).await?,
                "RCPT" => self.rcpt(argument).await?,
                "DATA" => self.data().await?,
                "BDAT" => self.chunk(argument).await?,
                "QUIT" => {
                    self.say("221 2.0.0 Bye").await?;
                    return Err(Over);
                }
                _ => self.say("500 5.5.2 What?").await?,
            }
        }
    }

    async fn ehlo(&mut self) -> Result<(), Over> {
        let mut lines = vec!["sink.example.net".to_owned()];
        lines.extend(self.script().capabilities);
        if self.is_secured() {
            lines.retain(|line| line != "STARTTLS");
        }
        let last = lines.len() - 1;
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            let separator = if number == last { ' ' } else { '-' };
            text.push_str(&format!("250{separator}{line}\r\n"));
        }
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await?;
        Ok(())
    }

    async fn mail(&mut self, argument: &str) -> Result<(), Over> {
        let sender = argument.get(6..).unwrap_or_default().to_owned();
        let answer = self.script().mail;
        if self.perform(answer).await? / 100 == 2 {
            self.envelope = Some(Envelope {
                sender,
                recipients: Vec::new(),
                chunks: Vec::new(),
            });
        }
        Ok(())
    }

    async fn rcpt(&mut self, argument: &str) -> Result<(), Over> {
        let recipient = argument.get(4..).unwrap_or_default().to_owned();
        if self.envelope.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        let script = self.script();
        let answer = script
            .recipients
            .get(address_of(&recipient))
            .cloned()
            .unwrap_or(script.any_recipient);
        if self.perform(answer).await? / 100 == 2
            && let Some(envelope) = &mut self.envelope
        {
            envelope.recipients.push(recipient);
        }
        Ok(())
    }

    async fn data(&mut self) -> Result<(), Over> {
        if self
            .envelope
            .as_ref()
            .is_none_or(|envelope| envelope.recipients.is_empty())
        {
            return self.say("554 5.5.1 No valid recipients").await;
        }
        let answer = self.script().data;
        if self.perform(answer).await? != 354 {
            self.envelope = None;
            return Ok(());
        }
        let wire = self.read_data().await?;
        let envelope = self.envelope.take().ok_or(Over)?;
        let content = messages::unstuffed(&wire);
        self.arrived(envelope, content, wire, Transport::Data).await
    }

    async fn chunk(&mut self, argument: &str) -> Result<(), Over> {
        let mut words = argument.split_whitespace();
        let size: usize = words
            .next()
            .and_then(|size| size.parse().ok())
            .ok_or(Over)?;
        let last = words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        self.fill(size).await?;
        let chunk = self.buffer.split_to(size);
        let Some(envelope) = self
            .envelope
            .as_mut()
            .filter(|envelope| !envelope.recipients.is_empty())
        else {
            return self.say("503 5.5.1 No valid recipients").await;
        };
        envelope.chunks.extend_from_slice(&chunk);
        let so_far = envelope.chunks.len();
        if let Some((bytes, answer)) = self.script().inside_data
            && so_far >= bytes
        {
            self.perform(answer).await?;
        }
        if !last {
            return self.say("250 2.0.0 Go on").await;
        }
        let mut envelope = self.envelope.take().ok_or(Over)?;
        let content = std::mem::take(&mut envelope.chunks);
        self.arrived(envelope, content, Vec::new(), Transport::Chunks)
            .await
    }

    /// Notes the message before it is answered, and its answer once that was given: a sink that says
    /// nothing has the message all the same.
    async fn arrived(
        &mut self,
        envelope: Envelope,
        mut content: Vec<u8>,
        mut wire: Vec<u8>,
        transport: Transport,
    ) -> Result<(), Over> {
        let script = self.script();
        for whole in [&mut content, &mut wire] {
            whole.truncate(script.kept_bytes);
            whole.shrink_to_fit();
        }
        let Envelope {
            sender, recipients, ..
        } = envelope;
        let secured = self.is_secured();
        let replies = match self.speaks_lmtp {
            true => recipients.len(),
            false => 1,
        };
        let mut place = 0;
        self.shared.note(|record| {
            place = record.arrivals.len();
            assert!(place < KEPT_MESSAGES, "the sink is full");
            record.arrivals.push(Arrival {
                sender,
                recipients,
                content,
                wire,
                transport,
                secured,
                answered: None,
                seen: [Instant::now(); 2],
            });
        });
        // The code counts as given before it is written: when the write fails half-way the other
        // side may have read it.
        let code = self.resolve(script.end_of_data).await?;
        let number = code.get(..3).and_then(|code| code.parse().ok());
        self.shared.note(|record| {
            let arrival = &mut record.arrivals[place];
            arrival.answered = number;
            arrival.seen[1] = Instant::now();
        });
        self.say(&vec![code; replies].join("\r\n")).await
    }

    /// Does what the script says and returns the code that was said.
    async fn perform(&mut self, answer: Answer) -> Result<u16, Over> {
        let reply = self.resolve(answer).await?;
        self.say(&reply).await?;
        Ok(reply
            .get(..3)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0))
    }

    /// The reply that the script wants said now, after whatever it wants waited for.
    async fn resolve(&mut self, answer: Answer) -> Result<String, Over> {
        match answer {
            Answer::Say(reply) => Ok(reply),
            Answer::SayAfter(gate, reply) => {
                gate.passed().await;
                Ok(reply)
            }
            Answer::SayIn(wait, reply) => {
                tokio::time::sleep(wait).await;
                Ok(reply)
            }
            Answer::HangUp => Err(Over),
            Answer::Reset => {
                let socket = match &self.stream {
                    Either::Left(stream) => stream,
                    Either::Right(stream) => stream.get_ref().0,
                };
                socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO))?;
                Err(Over)
            }
            Answer::Silence => {
                // Until the other side gives up; what it still sends is thrown away.
                let mut thrown_away = [0; 4_096];
                while self.stream.read(&mut thrown_away).await? > 0 {}
                Err(Over)
            }
            // Until the sink ends.
            Answer::Deafness => std::future::pending().await,
        }
    }

    async fn say(&mut self, reply: &str) -> Result<(), Over> {
        self.stream
            .write_all(format!("{reply}\r\n").as_bytes())
            .await?;
        self.stream.flush().await?;
        Ok(())
    }

    async fn line(&mut self) -> Result<String, Over> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let line = self.buffer.split_to(end + 1);
                let line = line.strip_suffix(b"\r\n").ok_or(Over)?;
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            if self.buffer.len() > LINE_BYTES {
                return Err(Over);
            }
            self.read().await?;
        }
    }

    /// Everything up to and with the final dot.
    async fn read_data(&mut self) -> Result<Vec<u8>, Over> {
        let mut searched = 0;
        loop {
            // The start of data counts as after CRLF.
            if self.buffer.starts_with(&END_OF_DATA[2..]) {
                return Ok(self.buffer.split_to(3).to_vec());
            }
            let from = searched.max(END_OF_DATA.len() - 1) - (END_OF_DATA.len() - 1);
            if let Some(at) = memchr::memmem::find(&self.buffer[from..], END_OF_DATA) {
                return Ok(self.buffer.split_to(from + at + END_OF_DATA.len()).to_vec());
            }
            searched = self.buffer.len();
            if let Some((bytes, answer)) = self.script().inside_data
                && searched >= bytes
            {
                self.perform(answer).await?;
            }
            self.read().await?;
        }
    }

    async fn fill(&mut self, bytes: usize) -> Result<(), Over> {
        while self.buffer.len() < bytes {
            self.read().await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Over> {
        self.buffer.reserve(65_536);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            Err(Over)
        } else {
            Ok(())
        }
    }
}
