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

use super::Delivery;
use super::certificate;
use super::connection::ServerConnection;
use super::connector::{ConnectError, Dial};
use super::conversation_error::{ConversationError, Wait};
use super::request::TimeoutProfile;
use super::resolve::MailServer;
use super::verdicts::{SmtpStage, verdict};
use crate::limits;
use crate::settings::{NextHop, TlsPolicy};
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
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
            tls: met == Some(IsTls(true)),
            steps: prober.steps,
        }
    }
}

/// A server is ready for mail, under TLS or not.
#[derive(PartialEq, Eq)]
struct IsTls(bool);

struct Prober<'a> {
    delivery: &'a Delivery,
    deadline: Instant,
    /// When the step under way began.
    since: Instant,
    steps: Vec<ProbeStep>,
}

impl Prober<'_> {
    async fn meet_first(&mut self, next_hop: &NextHop) -> Option<IsTls> {
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
        let found = found
            .await
            .map_err(|unresolved| unresolved.reply().text.to_string());
        let words = |servers: &Vec<MailServer>| {
            let told = servers.iter();
            let told = told.map(|server| match server.address.ip().to_string() {
                address if *server.host == *address => server.address.to_string(),
                _ => format!("{} at {}", server.host, server.address),
            });
            told.collect::<Vec<String>>().join(", ")
        };
        self.take(ProbeStepKind::LookUp, found, words, ProbeFinding::Bad)
    }

    /// Speaks with one server. None: it would take no mail from us now.
    async fn meet(&mut self, server: &MailServer, policy: TlsPolicy) -> Option<IsTls> {
        let delivery = self.delivery;
        let dial = Dial {
            connector: &delivery.connector,
            server,
            policy,
            timeouts: TimeoutProfile::Fast,
            // It counts with nobody's connections.
            open: &Arc::default(),
        };
        let dialled = self.within(dial.dial()).await;
        let dialled = dialled.map_err(|trouble| format!("{}: {trouble}", server.address));
        let address = |_: &ServerConnection| server.address.to_string();
        let mut connection = self.take(
            ProbeStepKind::Connection,
            dialled,
            address,
            ProbeFinding::Bad,
        )?;
        let greeting = self.within(connection.greeting(limits::PROBE_WAIT)).await;
        let is_ours = |greeting: &Reply| delivery.connector.is_ours(greeting);
        if greeting.as_ref().is_ok_and(is_ours) {
            let words = ConnectError::Ourselves.to_string();
            self.note(ProbeStepKind::Greeting, ProbeFinding::Bad, words);
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
        let Some(mut secured) = self.start_tls(connection, dial).await else {
            return Some(IsTls(false));
        };
        self.introduce(&mut secured).await?;
        Some(self.take_leave(secured).await)
    }

    /// EHLO, or HELO where that is not known (RFC 5321 §3.2); LHLO over LMTP.
    async fn introduce(&mut self, connection: &mut ServerConnection) -> Option<()> {
        let protocol = connection.protocol;
        match self.within(connection.hello(limits::PROBE_WAIT)).await {
            Ok(reply) if reply.is_permanent() && protocol == Protocol::Smtp => {
                let words = reply.to_string();
                self.note(ProbeStepKind::Ehlo, ProbeFinding::Doubtful, words);
                let reply = self.within(connection.helo(limits::PROBE_WAIT)).await;
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
        dial: Dial<'_>,
    ) -> Option<ServerConnection> {
        let started = self.within(dial.start_tls(plain)).await;
        let started = started.map_err(|trouble| format!("{trouble}: mail travels unencrypted"));
        let kind = ProbeStepKind::StartTls;
        let secured = self.take(kind, started, agreement, ProbeFinding::Doubtful)?;
        self.look_at_certificate(&secured, dial.server).await;
        Some(secured)
    }

    async fn look_at_certificate(&mut self, secured: &ServerConnection, server: &MailServer) {
        let chain = secured.tls().and_then(|tls| tls.peer_certificates());
        let chain: Vec<_> = chain.unwrap_or_default().to_vec();
        let host = Arc::clone(&server.host);
        let looking = tokio::task::spawn_blocking(move || certificate::doubts(&chain, &host));
        let verified = match timeout_at(self.deadline, looking).await {
            Ok(Ok(doubts)) if doubts.is_empty() => Ok(()),
            Ok(Ok(doubts)) => Err(format!(
                "not verified for {}: {}. It is taken all the same: encryption without proof is better than none",
                server.host,
                doubts.join("; ")
            )),
            Ok(Err(_)) | Err(_) => Err("not looked at in time".to_owned()),
        };
        let words = |(): &()| format!("verified for {}", server.host);
        let kind = ProbeStepKind::Certificate;
        self.take(kind, verified, words, ProbeFinding::Doubtful);
    }

    /// NOOP and QUIT: courtesies, whose answers change nothing.
    async fn take_leave(&mut self, mut connection: ServerConnection) -> IsTls {
        for (kind, stage, command) in [
            (ProbeStepKind::Noop, SmtpStage::Noop, &b"NOOP\r\n"[..]),
            (ProbeStepKind::Quit, SmtpStage::Quit, b"QUIT\r\n"),
        ] {
            let asked = connection.say(stage, limits::PROBE_WAIT, command);
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
        IsTls(connection.tls().is_some())
    }

    /// Notes a reply that decides whether the conversation goes on; gives it when it does.
    fn judge(
        &mut self,
        kind: ProbeStepKind,
        stage: SmtpStage,
        reply: Result<Reply, ConversationError>,
    ) -> Option<Reply> {
        let judged = match reply {
            Ok(reply) if verdict(stage, &reply).is_none() => Ok(reply),
            Ok(reply) => Err(reply.to_string()),
            Err(trouble) => Err(trouble.to_string()),
        };
        self.take(kind, judged, Reply::to_string, ProbeFinding::Bad)
    }

    /// Notes how a step ended: what there is to say when it did well, or what it is `otherwise` and why.
    fn take<T>(
        &mut self,
        kind: ProbeStepKind,
        ended: Result<T, String>,
        words: impl FnOnce(&T) -> String,
        otherwise: ProbeFinding,
    ) -> Option<T> {
        match ended {
            Ok(good) => {
                self.note(kind, ProbeFinding::Good, words(&good));
                Some(good)
            }
            Err(why) => {
                self.note(kind, otherwise, why);
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
