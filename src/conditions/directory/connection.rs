//! One connection to the directory: secured, logged in, and asked one question after the other.

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::super::service_stream::{ServiceStream, connect};
use super::ber::{self, Nonsense, tag};
use super::message::{LdapMessage, LdapResponse, LdapResult, Request};
use super::{DirectoryQuery, LookUpResult};
use crate::limits;
use crate::settings::Secret;
use crate::settings::conditions::Directory as Settings;
use crate::system_error::in_words;

/// Dropped in the middle of a question, it is closed: an answer that came later would be taken for that
/// to the next one.
pub(super) struct LdapConnection {
    stream: Box<dyn ServiceStream>,
    last_id: u32,
    /// When it was used last.
    pub(super) used_at: Instant,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LdapError {
    /// The connection is of no use any more.
    Broken(String),
    /// The directory says so; the connection holds.
    Said(String),
}

impl LdapError {
    /// In words that follow the service's name.
    pub(super) fn told(self) -> String {
        let (Self::Broken(why) | Self::Said(why)) = self;
        why
    }
}

impl From<Nonsense> for LdapError {
    fn from(_: Nonsense) -> Self {
        Self::Broken("what it says is no LDAP".to_owned())
    }
}

impl LdapConnection {
    /// Connects, secures when there is a connector for that, and logs in as it is set. The caller bounds
    /// how long that may take.
    pub(super) async fn open(
        settings: &Settings,
        tls: Option<&TlsConnector>,
    ) -> Result<Self, LdapError> {
        let Some(url) = &settings.url else {
            return Err(LdapError::Broken("no server is set".to_owned()));
        };
        let stream = connect(&url.server()).await.map_err(LdapError::Broken)?;
        let mut connection = Self {
            stream,
            last_id: 0,
            used_at: Instant::now(),
        };
        if let Some(tls) = tls {
            if !url.tls {
                connection.start_tls().await?;
            }
            connection = connection.secured(&url.host, tls).await?;
        }
        if let Some(dn) = &settings.bind_dn {
            let password = settings.bind_password.as_ref().map(Secret::expose);
            connection.bind(dn, password.unwrap_or_default()).await?;
        }
        Ok(connection)
    }

    /// RFC 4511 §4.14.
    async fn start_tls(&mut self) -> Result<(), LdapError> {
        let id = self.send(&Request::StartTls).await?;
        match self.answer_to(id).await? {
            LdapResponse::Extended(outcome) if outcome.is_success() => Ok(()),
            LdapResponse::Extended(outcome) => {
                Err(LdapError::Broken(format!("StartTLS: {}", outcome.told())))
            }
            _ => Err(Nonsense.into()),
        }
    }

    /// The same under TLS. What was sent before stands in no buffer of ours: nobody on the way can put
    /// words before those that come under TLS.
    async fn secured(self, host: &str, tls: &TlsConnector) -> Result<Self, LdapError> {
        let broken = |why: String| LdapError::Broken(format!("TLS: {why}"));
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| broken(error.to_string()))?;
        let stream = tls.connect(name, self.stream).await;
        let stream = stream.map_err(|error| broken(error.to_string()))?;
        Ok(Self {
            stream: Box::new(stream),
            ..self
        })
    }

    /// RFC 4511 §4.2.
    async fn bind(&mut self, dn: &str, password: &str) -> Result<(), LdapError> {
        // RFC 4513 §5.1.2: that would succeed, and everything would be looked up as nobody.
        if password.is_empty() {
            return Err(LdapError::Broken("no password is set".to_owned()));
        }
        let id = self.send(&Request::Bind { dn, password }).await?;
        match self.answer_to(id).await? {
            LdapResponse::Bound(outcome) if outcome.is_success() => Ok(()),
            LdapResponse::Bound(outcome) => {
                Err(LdapError::Broken(format!("the login: {}", outcome.told())))
            }
            _ => Err(Nonsense.into()),
        }
    }

    /// RFC 4511 §4.5.1.2: looks at the entry alone below which everything is looked up.
    pub(super) async fn look_at_base(&mut self, settings: &Settings) -> Result<(), LdapError> {
        let base = settings.base.as_deref().unwrap_or_default();
        let seconds = seconds_of(limits::SERVICE_NEUTRAL_WAIT.as_secs());
        let request = Request::Base { base, seconds };
        self.entries(&request).await.map(drop)
    }

    /// RFC 4511 §4.5: looks for the entry that a question is about.
    pub(super) async fn search(
        &mut self,
        settings: &Settings,
        question: &DirectoryQuery,
    ) -> Result<LookUpResult, LdapError> {
        let request = Request::Search {
            base: settings.base.as_deref().unwrap_or_default(),
            question,
            seconds: seconds_of(settings.timeout_seconds),
        };
        self.entries(&request).await
    }

    async fn entries(&mut self, request: &Request<'_>) -> Result<LookUpResult, LdapError> {
        let id = self.send(request).await?;
        let mut entries = Vec::new();
        for _ in 0..limits::DIRECTORY_MESSAGES {
            match self.answer_to(id).await? {
                LdapResponse::Found(entry) => entries.push(entry),
                // Entries that another directory may have are not ours.
                LdapResponse::Other => {}
                LdapResponse::Done(outcome) => return self.end(outcome, entries),
                LdapResponse::Bound(_) | LdapResponse::Extended(_) => return Err(Nonsense.into()),
            }
        }
        Err(LdapError::Broken("its answer does not end".to_owned()))
    }

    fn end(
        &mut self,
        outcome: LdapResult,
        mut entries: Vec<super::DirectoryEntry>,
    ) -> Result<LookUpResult, LdapError> {
        self.used_at = Instant::now();
        let has_several = outcome.is_more() && entries.len() > 1;
        if !outcome.is_success() && !has_several {
            return Err(LdapError::Said(outcome.told()));
        }
        Ok(match (entries.pop(), entries.is_empty()) {
            (None, _) => LookUpResult::Nobody,
            (Some(entry), true) => LookUpResult::Entry(entry.into()),
            (Some(_), false) => LookUpResult::Several,
        })
    }

    async fn send(&mut self, request: &Request<'_>) -> Result<u32, LdapError> {
        self.last_id += 1;
        let message = request.message(self.last_id).map_err(LdapError::Said)?;
        let sent = async {
            self.stream.write_all(&message).await?;
            self.stream.flush().await
        };
        sent.await.map_err(broke)?;
        Ok(self.last_id)
    }

    /// The next message, which answers this request.
    async fn answer_to(&mut self, id: u32) -> Result<LdapResponse, LdapError> {
        let message = LdapMessage::read(&self.next_message().await?)?;
        match message.response {
            // RFC 4511 §4.4: what no request asked for says why the directory hangs up.
            LdapResponse::Extended(outcome) if message.id == 0 => Err(LdapError::Broken(format!(
                "it hangs up: {}",
                outcome.told()
            ))),
            response if message.id == id => Ok(response),
            _ => Err(Nonsense.into()),
        }
    }

    /// The content of the next message. Nothing behind it is read.
    async fn next_message(&mut self) -> Result<Vec<u8>, LdapError> {
        let mut front = [0; 2];
        self.stream.read_exact(&mut front).await.map_err(broke)?;
        let [found, first] = front;
        if found != tag::SEQUENCE {
            return Err(Nonsense.into());
        }
        let mut written = [0; 4];
        let written = &mut written[..ber::bytes_of_length(first)?];
        self.stream.read_exact(written).await.map_err(broke)?;
        let length = ber::length(first, written);
        if length > limits::DIRECTORY_MESSAGE_BYTES {
            let most = limits::DIRECTORY_MESSAGE_BYTES;
            let why = format!("its answer is longer than {most} bytes");
            return Err(LdapError::Broken(why));
        }
        let mut content = vec![0; length];
        self.stream.read_exact(&mut content).await.map_err(broke)?;
        Ok(content)
    }
}

/// As a search has them, RFC 4511 §4.5.1.5.
fn seconds_of(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX >> 1)
}

fn broke(error: std::io::Error) -> LdapError {
    LdapError::Broken(match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => format!("the connection broke: {}", in_words(&error)),
    })
}
