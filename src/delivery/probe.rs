//! A test of a next hop: the conversation up to the point where mail would follow, told step by step.
//!
//! It opens a connection as an attempt does, but for nobody's mail: it neither asks the breaker nor
//! counts, and it says NOOP and QUIT where an attempt says MAIL.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::ProtocolVersion;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::connection::ServerConnection;
use super::connector::ConnectError;
use super::conversation_error::{ConversationError, Wait};
use super::resolve::MailServer;
use super::verdicts::{SmtpStage, verdict};
use super::{Delivery, TimeoutProfile, certificate};
use crate::limits;
use crate::settings::{NextHop, TlsPolicy};
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command_writer;
use crate::smtp::reply::Reply;

/// What a test found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Probe {
    /// The next hop's name.
    #[schema(value_type = String)]
    pub next_hop: Arc<str>,
    /// A server was found that would take mail from us.
    pub ready: bool,
    /// The conversation was encrypted.
    pub tls: bool,
    /// What was done, in order.
    pub steps: Vec<ProbeStep>,
}

/// One step of the conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProbeStep {
    /// What was tried.
    #[serde(rename = "step")]
    pub kind: ProbeStepKind,
    /// How it ended.
    pub finding: ProbeFinding,
    /// What was said or found, in one line of text.
    pub words: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What a step tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeStepKind {
    /// The servers' addresses.
    LookUp,
    /// A connection to one address.
    Connection,
    /// The server's first word.
    Greeting,
    /// EHLO, in the clear or under TLS.
    Ehlo,
    /// HELO, where EHLO is not known.
    Helo,
    /// STARTTLS and the handshake.
    StartTls,
    /// Whether a strict client would take the certificate.
    Certificate,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeFinding {
    /// As it should.
    Good,
    /// Mail goes all the same, but somebody should know.
    Doubtful,
    /// No mail goes this way.
    Bad,
}

impl Delivery {
    /// Speaks with a next hop's servers in the order in which an attempt would, until one is ready for
    /// mail. Takes at most [`limits::PROBE_WAIT`].
    pub async fn probe(&self, next_hop: &NextHop) -> Probe {
        let now = Instant::now();
        let mut prober = Prober {
            delivery: self,
            deadline: now + limits::PROBE_WAIT,
            since: now,
            steps: Vec::new(),
        };
        let met = prober.meet_first(next_hop).await;
        Probe {
            next_hop: Arc::clone(next_hop.name()),
            ready: met.is_some(),
            tls: met.is_some_and(|met| met.tls),
            steps: prober.steps,
        }
    }
}

/// A server that is ready for mail.
struct Met {
    tls: bool,
}

struct Prober<'a> {
    delivery: &'a Delivery,
    deadline: Instant,
    /// When the step under way began.
    since: Instant,
    steps: Vec<ProbeStep>,
}

impl Prober<'_> {
    async fn meet_first(&mut self, next_hop: &NextHop) -> Option<Met> {
        for server in self.look_up(next_hop).await? {
            let met = self.meet(&server, next_hop.tls).await;
            if met.is_some() || Instant::now() >= self.deadline {
                return met;
            }
        }
        None
    }

    async fn look_up(&mut self, next_hop: &NextHop) -> Option<Vec<MailServer>> {
        let settings = self.delivery.settings.snapshot();
        let resolver = &self.delivery.resolver;
        let found = resolver.servers(&next_hop.target, &settings.dns_servers);
        match found.await {
            Ok(servers) => {
                let told: Vec<String> = servers
                    .iter()
                    .map(|server| match server.address.ip().to_string() {
                        address if *server.host == *address => server.address.to_string(),
                        _ => format!("{} at {}", server.host, server.address),
                    })
                    .collect();
                self.note(ProbeStepKind::LookUp, ProbeFinding::Good, told.join(", "));
                Some(servers)
            }
            Err(unresolved) => {
                let words = unresolved.outcome().reply().text.to_string();
                self.note(ProbeStepKind::LookUp, ProbeFinding::Bad, words);
                None
            }
        }
    }

    /// Speaks with one server. None: it would take no mail from us now.
    async fn meet(&mut self, server: &MailServer, policy: TlsPolicy) -> Option<Met> {
        let mut connection = self.dial(server, policy).await?;
        let greeting = connection.owed(SmtpStage::Greeting);
        let greeting = self
            .within(connection.reply(greeting, limits::PROBE_WAIT))
            .await;
        if greeting
            .as_ref()
            .is_ok_and(|greeting| self.delivery.connector.is_ours(greeting))
        {
            self.note(
                ProbeStepKind::Greeting,
                ProbeFinding::Bad,
                ConnectError::Ourselves.to_string(),
            );
            return None;
        }
        self.judge(ProbeStepKind::Greeting, SmtpStage::Greeting, greeting)?;
        self.introduce(&mut connection).await?;
        if policy == TlsPolicy::Never {
            return Some(self.take_leave(connection).await);
        }
        if !connection.capabilities.starttls {
            let words = "not offered: mail travels unencrypted";
            self.note(ProbeStepKind::StartTls, ProbeFinding::Doubtful, words);
            return Some(self.take_leave(connection).await);
        }
        // Where TLS fails an attempt goes on in the clear, on a new connection to the same server.
        let Some(mut secured) = self.start_tls(connection, server).await else {
            return Some(Met { tls: false });
        };
        self.introduce(&mut secured).await?;
        Some(self.take_leave(secured).await)
    }

    async fn dial(&mut self, server: &MailServer, policy: TlsPolicy) -> Option<ServerConnection> {
        let connector = &self.delivery.connector;
        // It counts with nobody's connections.
        let open = Arc::default();
        let dialled = self.within(connector.dial(server, policy, TimeoutProfile::Fast, &open));
        match dialled.await {
            Ok(connection) => {
                let words = server.address.to_string();
                self.note(ProbeStepKind::Connection, ProbeFinding::Good, words);
                Some(connection)
            }
            Err(trouble) => {
                let words = format!("{}: {trouble}", server.address);
                self.note(ProbeStepKind::Connection, ProbeFinding::Bad, words);
                None
            }
        }
    }

    /// EHLO, or HELO where that is not known (RFC 5321 §3.2); LHLO over LMTP.
    async fn introduce(&mut self, connection: &mut ServerConnection) -> Option<()> {
        let hostname = Arc::clone(&self.delivery.connector.hostname);
        let protocol = connection.protocol;
        let hello = connection.ask(SmtpStage::Ehlo, limits::PROBE_WAIT, |commands| {
            command_writer::hello(commands, protocol, &hostname);
        });
        let reply = self.within(hello).await;
        match reply {
            Ok(reply) if reply.is_permanent() && protocol == Protocol::Smtp => {
                self.note(
                    ProbeStepKind::Ehlo,
                    ProbeFinding::Doubtful,
                    reply.to_string(),
                );
                let helo = connection.ask(SmtpStage::Ehlo, limits::PROBE_WAIT, |commands| {
                    command_writer::helo(commands, &hostname);
                });
                let reply = self.within(helo).await;
                self.judge(ProbeStepKind::Helo, SmtpStage::Ehlo, reply)
                    .map(drop)
            }
            reply => {
                let reply = self.judge(ProbeStepKind::Ehlo, SmtpStage::Ehlo, reply)?;
                connection.capabilities = Capabilities::parse(&reply);
                Some(())
            }
        }
    }

    async fn start_tls(
        &mut self,
        plain: ServerConnection,
        server: &MailServer,
    ) -> Option<ServerConnection> {
        let connector = &self.delivery.connector;
        let started = self.within(connector.start_tls(plain, server, TimeoutProfile::Fast));
        match started.await {
            Ok(secured) => {
                self.note(
                    ProbeStepKind::StartTls,
                    ProbeFinding::Good,
                    agreement(&secured),
                );
                self.look_at_certificate(&secured, server).await;
                Some(secured)
            }
            Err(trouble) => {
                let words = format!("{trouble}: mail travels unencrypted");
                self.note(ProbeStepKind::StartTls, ProbeFinding::Doubtful, words);
                None
            }
        }
    }

    async fn look_at_certificate(&mut self, secured: &ServerConnection, server: &MailServer) {
        let chain = secured.tls().and_then(|tls| tls.peer_certificates());
        let chain: Vec<_> = chain.unwrap_or_default().to_vec();
        let host = Arc::clone(&server.host);
        let looking = tokio::task::spawn_blocking(move || certificate::doubts(&chain, &host));
        let (finding, words) = match timeout_at(self.deadline, looking).await {
            Ok(Ok(doubts)) if doubts.is_empty() => {
                (ProbeFinding::Good, format!("verified for {}", server.host))
            }
            Ok(Ok(doubts)) => (
                ProbeFinding::Doubtful,
                format!(
                    "not verified for {}: {}. It is taken all the same: encryption without proof is better than none",
                    server.host,
                    doubts.join("; ")
                ),
            ),
            Ok(Err(_)) | Err(_) => (ProbeFinding::Doubtful, "not looked at in time".to_owned()),
        };
        self.note(ProbeStepKind::Certificate, finding, words);
    }

    /// NOOP and QUIT: courtesies, whose answers change nothing.
    async fn take_leave(&mut self, mut connection: ServerConnection) -> Met {
        for (kind, stage, command) in [
            (ProbeStepKind::Noop, SmtpStage::Noop, &b"NOOP\r\n"[..]),
            (ProbeStepKind::Quit, SmtpStage::Quit, b"QUIT\r\n"),
        ] {
            let asked = connection.ask(stage, limits::PROBE_WAIT, |commands| {
                commands.extend_from_slice(command);
            });
            let (finding, words) = match self.within(asked).await {
                Ok(reply) if reply.is_positive() => (ProbeFinding::Good, reply.to_string()),
                Ok(reply) => (ProbeFinding::Doubtful, reply.to_string()),
                Err(trouble) => (ProbeFinding::Doubtful, trouble.to_string()),
            };
            self.note(kind, finding, words);
            if finding != ProbeFinding::Good {
                break;
            }
        }
        Met {
            tls: connection.is_tls(),
        }
    }

    /// Notes a reply that decides whether the conversation goes on; gives it when it does.
    fn judge(
        &mut self,
        kind: ProbeStepKind,
        stage: SmtpStage,
        reply: Result<Reply, ConversationError>,
    ) -> Option<Reply> {
        match reply {
            Ok(reply) if verdict(stage, &reply).is_none() => {
                self.note(kind, ProbeFinding::Good, reply.to_string());
                Some(reply)
            }
            Ok(reply) => {
                self.note(kind, ProbeFinding::Bad, reply.to_string());
                None
            }
            Err(trouble) => {
                self.note(kind, ProbeFinding::Bad, trouble.to_string());
                None
            }
        }
    }

    async fn within<T>(
        &self,
        conversation: impl Future<Output = Result<T, ConversationError>>,
    ) -> Result<T, ConversationError> {
        timeout_at(self.deadline, conversation)
            .await
            .unwrap_or(Err(ConversationError::TimedOut(Wait::Reply)))
    }

    /// Ends the step under way; the next one begins.
    fn note(&mut self, kind: ProbeStepKind, finding: ProbeFinding, words: impl Into<String>) {
        let now = Instant::now();
        let took: Duration = now.saturating_duration_since(self.since);
        self.since = now;
        self.steps.push(ProbeStep {
            kind,
            finding,
            words: words.into(),
            seconds: took.as_secs_f64(),
        });
    }
}

/// What TLS agreed on: “TLS 1.3, TLS13_AES_256_GCM_SHA384”.
fn agreement(secured: &ServerConnection) -> String {
    let version = match secured.tls().and_then(|tls| tls.protocol_version()) {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    match secured.tls().and_then(|tls| tls.negotiated_cipher_suite()) {
        Some(suite) => format!("{version}, {:?}", suite.suite()),
        None => version.to_owned(),
    }
}
