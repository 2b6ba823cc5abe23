//! The webhook: posts what begins and ends to a server of the administrator's, and remembers what came
//! of it.
//!
//! Any 2xx is success. Redirects are not followed: they would carry our words, and their signature,
//! to a server that the administrator did not name. The answer's body is not read. Logs and pages name
//! what went wrong, never the address, whose path is often a secret itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::Serialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use utoipa::ToSchema;

use super::kind::AlertKind;
use super::notification::{AlertEvent, Notification};
use super::outbox::{NotificationId, Outbox};
use crate::limits;
use crate::settings::{Current, Secret};
use crate::system_error::with_causes;

const SIGNATURE: &str = "x-fastpath-signature";
const USER_AGENT: &str = concat!("fastpath/", env!("CARGO_PKG_VERSION"));

/// How patient it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    pub(super) whole: Duration,
    pub(super) retry_waits: [Duration; 4],
}

impl Patience {
    /// The waits, of which the last one repeats.
    fn waits(self) -> impl Iterator<Item = Duration> {
        let last = self.retry_waits.last().copied();
        self.retry_waits.into_iter().chain(last.into_iter().cycle())
    }
}

const PATIENCE: Patience = Patience {
    connect: limits::WEBHOOK_CONNECT_WAIT,
    whole: limits::WEBHOOK_WAIT,
    retry_waits: limits::WEBHOOK_RETRY_WAITS,
};

/// The webhook of one appliance, which may have none.
#[derive(Debug)]
pub struct Webhook {
    pub(super) appliance: Arc<str>,
    settings: Current,
    pub(super) outbox: Outbox,
    last: Mutex<Option<WebhookTry>>,
    patience: Patience,
}

/// One try to post an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WebhookTry {
    /// When it ended.
    pub at: Timestamp,
    /// The event.
    pub event: AlertEvent,
    /// Of which kind of alert; null for a test.
    pub alert: Option<AlertKind>,
    /// It was taken.
    pub delivered: bool,
    /// The answer's status; null without an answer.
    pub status: Option<u16>,
    /// What went wrong, for a person; null when nothing did.
    pub problem: Option<String>,
}

/// Where to, and with which secret.
#[derive(PartialEq, Eq)]
struct WebhookTarget {
    url: Url,
    secret: Option<Secret>,
}

impl Webhook {
    pub(super) fn new(appliance: Arc<str>, settings: Current) -> Self {
        Self::with_patience(appliance, settings, PATIENCE)
    }

    pub(super) fn with_patience(
        appliance: Arc<str>,
        settings: Current,
        patience: Patience,
    ) -> Self {
        Self {
            appliance,
            settings,
            outbox: Outbox::default(),
            last: Mutex::new(None),
            patience,
        }
    }

    /// What came of the last try; none before the first one.
    #[must_use]
    pub fn last(&self) -> Option<WebhookTry> {
        let last = self.last.lock();
        last.clone()
    }

    /// How many changes of alerts are pending.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.outbox.len()
    }

    /// Tries it once, now, with words that say it is a test. None when there is no webhook.
    pub async fn test(&self) -> Option<WebhookTry> {
        let server = self.server()?;
        let test = Notification::test(&self.appliance, super::now());
        Some(self.tell_once(&test, &server).await)
    }

    pub(super) async fn run(&self, shutdown: CancellationToken) {
        let telling = async {
            loop {
                let (ticket, first) = self.outbox.first().await;
                self.tell(ticket, &first).await;
            }
        };
        shutdown.run_until_cancelled(telling).await;
    }

    /// Tries until it is delivered, until something newer is in its place, or until there is no webhook.
    /// A server that was down for a day still gets the last state.
    async fn tell(&self, ticket: NotificationId, notification: &Notification) {
        let mut waits = self.patience.waits();
        let mut tries = 0;
        while self.outbox.holds(ticket) {
            let Some(server) = self.server() else {
                self.outbox.remove(ticket);
                return;
            };
            let told = self.tell_once(notification, &server).await;
            if told.delivered {
                self.outbox.remove(ticket);
                return;
            }
            tries += 1;
            if tries == self.patience.retry_waits.len() {
                let (event, alert) = (
                    notification.event.as_str(),
                    told.alert.map(AlertKind::as_str),
                );
                warn!(
                    event,
                    alert,
                    problem = told.problem,
                    "the webhook does not take what it is told; it is tried again from time to time"
                );
            }
            let wait = waits.next().unwrap_or(Duration::MAX);
            if self.another_server(&server, wait).await {
                waits = self.patience.waits();
            }
        }
    }

    /// Waits between two tries; ends early, and is true, when the settings name another server, which
    /// may take what this one did not.
    async fn another_server(&self, tried: &WebhookTarget, wait: Duration) -> bool {
        let mut settings = self.settings.clone();
        let changed = async {
            while self.server().as_ref() == Some(tried) {
                if settings.changed().await.is_none() {
                    std::future::pending::<()>().await;
                }
            }
        };
        timeout(wait, changed).await.is_ok()
    }

    fn server(&self) -> Option<WebhookTarget> {
        let settings = self.settings.snapshot();
        let url = settings.alert_webhook_url.as_ref()?;
        Some(WebhookTarget {
            url: Url::parse(url).ok()?,
            secret: settings.alert_webhook_secret.clone(),
        })
    }

    /// One request, within the patience. What came of it is remembered.
    async fn tell_once(&self, notification: &Notification, server: &WebhookTarget) -> WebhookTry {
        let answer = match timeout(self.patience.whole, self.post(notification, server)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {:?}", self.patience.whole)),
        };
        let status = answer.as_ref().ok().copied();
        let problem = match answer {
            Ok(status) if status.is_success() => None,
            Ok(status) if status.is_redirection() => Some(format!(
                "the server answered {status}, and redirects are not followed"
            )),
            Ok(status) => Some(format!("the server answered {status}")),
            Err(problem) => Some(
                problem
                    .chars()
                    .take(limits::WEBHOOK_PROBLEM_CHARACTERS)
                    .collect(),
            ),
        };
        let told = WebhookTry {
            at: super::now(),
            event: notification.event,
            alert: notification.topic.as_ref().map(|topic| topic.kind),
            delivered: problem.is_none(),
            status: status.map(|status| status.as_u16()),
            problem,
        };
        let mut last = self.last.lock();
        let before = last.replace(told.clone());
        drop(last);
        if before.is_some_and(|before| !before.delivered) && told.delivered {
            info!("the webhook answers again");
        }
        told
    }

    async fn post(
        &self,
        notification: &Notification,
        server: &WebhookTarget,
    ) -> Result<StatusCode, String> {
        let (is_secured, connect) = (server.url.scheme() == "https", self.patience.connect);
        // To read the system's certificates blocks. They are read for each request, so that the present ones count;
        // alerts are rare.
        let client = tokio::task::spawn_blocking(move || client(is_secured, connect))
            .await
            .map_err(|error| error.to_string())?
            .map_err(describe)?;
        let mut request = client
            .post(server.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(notification.body.clone());
        if let Some(secret) = &server.secret {
            request = request.header(SIGNATURE, notification.signature(secret));
        }
        let answer = request.send().await.map_err(describe)?;
        Ok(answer.status())
    }
}

fn client(is_secured: bool, connect: Duration) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        // The settings say where words go, not the environment.
        .no_proxy()
        .connect_timeout(connect)
        .pool_max_idle_per_host(0);
    if is_secured {
        return builder.https_only(true).build();
    }
    // Without TLS no certificates are needed, and a machine that has none can still post.
    builder.tls_certs_only([]).build()
}

/// The error with its causes, without the address.
fn describe(error: reqwest::Error) -> String {
    with_causes(&error.without_url())
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
