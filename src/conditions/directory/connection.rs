//! One connection to the directory: secured, logged in, and asked one question after the other.

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::super::service::ServiceError;
use super::super::service_stream::{ServiceStream, connect};
use super::ber::{self, Nonsense};
use super::entry::{DirectoryEntry, DirectoryQuery, LookUpResult};
use super::message::{LdapMessage, LdapResponse, LdapResult, Request};
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

/// What breaks a connection off is [`ServiceError::Service`]; what the directory says over one that holds,
/// [`ServiceError::Message`].
impl From<Nonsense> for ServiceError {
    fn from(_: Nonsense) -> Self {
        Self::Service("what it says is no LDAP".to_owned())
    }
}

impl LdapResult {
    /// Without success the connection is of no use.
    fn succeeded(self, what: &str) -> Result<(), ServiceError> {
        match self.is_success() {
            true => Ok(()),
            false => Err(ServiceError::Service(format!("{what}: {}", self.told()))),
        }
    }
}

impl LdapConnection {
    /// Connects, secures when there is a connector for that, and logs in as it is set. The caller bounds
    /// how long that may take.
    pub(super) async fn open(
        settings: &Settings,
        tls: Option<&TlsConnector>,
    ) -> Result<Self, ServiceError> {
        let Some(url) = &settings.url else {
            return Err(ServiceError::Service("no server is set".to_owned()));
        };
        let stream = connect(&url.server()).await?;
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
    async fn start_tls(&mut self) -> Result<(), ServiceError> {
        let id = self.send(&Request::StartTls).await?;
        match self.answer_to(id).await? {
            LdapResponse::Extended(outcome) => outcome.succeeded("StartTLS"),
            _ => Err(Nonsense.into()),
        }
    }

    /// The same under TLS. What was sent before stands in no buffer of ours: nobody on the way can put
    /// words before those that come under TLS.
    async fn secured(self, host: &str, tls: &TlsConnector) -> Result<Self, ServiceError> {
        let broken = |why: String| ServiceError::Service(format!("TLS: {why}"));
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
    async fn bind(&mut self, dn: &str, password: &str) -> Result<(), ServiceError> {
        // RFC 4513 §5.1.2: that would succeed, and everything would be looked up as nobody.
        if password.is_empty() {
            return Err(ServiceError::Service("no password is set".to_owned()));
        }
        let id = self.send(&Request::Bind { dn, password }).await?;
        match self.answer_to(id).await? {
            LdapResponse::Bound(outcome) => outcome.succeeded("the login"),
            _ => Err(Nonsense.into()),
        }
    }

    /// RFC 4511 §4.5.1.2: looks at the entry alone below which everything is looked up.
    pub(super) async fn look_at_base(&mut self, settings: &Settings) -> Result<(), ServiceError> {
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
    ) -> Result<LookUpResult, ServiceError> {
        let request = Request::Search {
            base: settings.base.as_deref().unwrap_or_default(),
            question,
            seconds: seconds_of(settings.timeout_seconds),
        };
        self.entries(&request).await
    }

    async fn entries(&mut self, request: &Request<'_>) -> Result<LookUpResult, ServiceError> {
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
        Err(ServiceError::Service("its answer does not end".to_owned()))
    }

    fn end(
        &mut self,
        outcome: LdapResult,
        mut entries: Vec<DirectoryEntry>,
    ) -> Result<LookUpResult, ServiceError> {
        self.used_at = Instant::now();
        let has_several = outcome.is_more() && entries.len() > 1;
        if !outcome.is_success() && !has_several {
            return Err(ServiceError::Message(outcome.told()));
        }
        Ok(match (entries.pop(), entries.is_empty()) {
            (None, _) => LookUpResult::Nobody,
            (Some(entry), true) => LookUpResult::Entry(entry.into()),
            (Some(_), false) => LookUpResult::Several,
        })
    }

    async fn send(&mut self, request: &Request<'_>) -> Result<u32, ServiceError> {
        self.last_id += 1;
        let message = request
            .message(self.last_id)
            .map_err(ServiceError::Message)?;
        let sent = async {
            self.stream.write_all(&message).await?;
            self.stream.flush().await
        };
        sent.await.map_err(broke)?;
        Ok(self.last_id)
    }

    /// The next message, which answers this request.
    async fn answer_to(&mut self, id: u32) -> Result<LdapResponse, ServiceError> {
        let message = LdapMessage::read(&self.next_message().await?)?;
        match message.response {
            // RFC 4511 §4.4: what no request asked for says why the directory hangs up.
            LdapResponse::Extended(outcome) if message.id == 0 => Err(ServiceError::Service(
                format!("it hangs up: {}", outcome.told()),
            )),
            response if message.id == id => Ok(response),
            _ => Err(Nonsense.into()),
        }
    }

    /// The content of the next message. Nothing behind it is read.
    async fn next_message(&mut self) -> Result<Vec<u8>, ServiceError> {
        let mut front = [0; 2];
        self.stream.read_exact(&mut front).await.map_err(broke)?;
        let [found, first] = front;
        if found != ber::SEQUENCE {
            return Err(Nonsense.into());
        }
        let mut written = [0; 4];
        let written = &mut written[..ber::bytes_of_length(first)?];
        self.stream.read_exact(written).await.map_err(broke)?;
        let length = ber::length(first, written);
        if length > limits::DIRECTORY_MESSAGE_BYTES {
            let most = limits::DIRECTORY_MESSAGE_BYTES;
            let why = format!("its answer is longer than {most} bytes");
            return Err(ServiceError::Service(why));
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

fn broke(error: std::io::Error) -> ServiceError {
    ServiceError::Service(match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => format!("the connection broke: {}", in_words(&error)),
    })
}
