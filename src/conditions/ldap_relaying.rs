//! LDAP relaying: the directory says where mail for a recipient goes, by mailHost and
//! mailRoutingAddress (the schema of draft-lachman-laser-ldap-mail-routing).

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::check::{CheckFn, Concerns, ConditionCheck, EnvelopeCheck};
use super::directory::{DirectoryEntry, Freshness};
use super::service::{Asker, NoAnswer};
use super::services::Conditions;
use super::verdict::{CheckVerdict, Edit};
use super::words;
use crate::clients::ClientId;
use crate::limits;
use crate::message::Recipient;
use crate::settings::Settings;
use crate::settings::conditions::WhenUnavailable;
use crate::settings::next_hop::ServerAddress;
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::ByEnvelope(|envelope, settings| {
        let mut recipients = envelope.recipients.iter();
        let is_routed = |recipient: &Recipient| settings.is_routed_by_directory(&recipient.address);
        !settings.ldap_relaying.enabled || recipients.any(is_routed)
    }),
    tags: &[],
    run: CheckFn::Envelope(|asked| Box::pin(check(asked))),
};

/// Where mail for a recipient goes by its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryRoute {
    /// The name of the entry.
    pub entry: String,
    /// The server; none: where mail for the address goes.
    pub mail_host: Option<ServerAddress>,
    /// The address; none: the one it has.
    pub address: Option<Mailbox>,
}

/// A recipient by its place in the message, and where its mail goes.
type Routed = (usize, Mailbox, Option<DirectoryRoute>);

/// How recipients are looked up.
#[derive(Clone, Debug)]
struct LookUp<'a> {
    conditions: &'a Conditions,
    settings: &'a Settings,
    freshness: Freshness,
    asker: Asker,
}

/// Looks every recipient up that the directory routes.
async fn check(asked: EnvelopeCheck<'_>) -> CheckVerdict {
    let look_up = LookUp {
        conditions: asked.conditions,
        settings: asked.settings,
        freshness: Freshness::Remembered,
        asker: asked.asker,
    };
    let recipients = asked.envelope.recipients.iter().enumerate();
    let routed: Vec<(usize, Mailbox)> = recipients
        .map(|(place, recipient)| (place, recipient.address.clone()))
        .filter(|(_, address)| look_up.settings.is_routed_by_directory(address))
        .collect();
    let routes = stream::iter(routed)
        .map(|(place, address)| look_up.routed(place, address))
        .buffered(look_up.settings.directory.connections_max as usize)
        .try_collect::<Vec<_>>();
    routes.await.map_or_else(CheckVerdict::without, directed)
}

/// What is changed by what was found of the recipients at these places, told in words.
fn directed(routes: Vec<Routed>) -> CheckVerdict {
    let mut edits = Vec::new();
    let mut told = Vec::new();
    for (recipient, address, route) in routes {
        let Some(route) = route else {
            told.push(format!("{address} is not in the directory"));
            continue;
        };
        if let Some(words) = route.in_words() {
            told.push(words::cut(&format!("{address} {words}")));
            edits.push(Edit::Direct {
                recipient,
                mail_host: route.mail_host,
                address: route.address,
            });
        }
    }
    if told.len() > limits::ROUTES_TOLD {
        let more = told.len() - limits::ROUTES_TOLD;
        told.truncate(limits::ROUTES_TOLD);
        told.push(format!("{more} more"));
    }
    CheckVerdict::with(edits, told.join(", "))
}

impl DirectoryRoute {
    /// Where it leads, in words that follow the address; none when that is nothing new.
    fn in_words(&self) -> Option<String> {
        match (&self.mail_host, &self.address) {
            (None, None) => None,
            (Some(host), None) => Some(format!("goes to {host}")),
            (None, Some(address)) => Some(format!("goes as {address}")),
            (Some(host), Some(address)) => Some(format!("goes to {host} as {address}")),
        }
    }

    /// Reads an entry.
    fn of(
        entry: &DirectoryEntry,
        recipient: &Mailbox,
        settings: &Settings,
        hostname: &str,
    ) -> Result<Self, String> {
        let relaying = &settings.ldap_relaying;
        let mail_host = match single(entry, relaying.host_attribute.as_deref())? {
            Some((name, host)) => {
                server(host, hostname).ok_or_else(|| entry.malformed(name, host, "is no server"))?
            }
            None => None,
        };
        let address = match single(entry, relaying.address_attribute.as_deref())? {
            Some((name, text)) => Some(entry.address(name, text)?),
            None => None,
        };
        Ok(Self {
            entry: words::cut(&entry.dn),
            mail_host,
            address: address.filter(|address| address != recipient),
        })
    }
}

impl LookUp<'_> {
    async fn routed(&self, place: usize, address: Mailbox) -> Result<Routed, NoAnswer> {
        let route = self.route(&address).await?;
        Ok((place, address, route))
    }

    /// Where mail for a recipient goes; none when the directory does not know it.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn route(&self, recipient: &Mailbox) -> Result<Option<DirectoryRoute>, NoAnswer> {
        let settings = self.settings;
        let relaying = &settings.ldap_relaying;
        let attributes = [
            relaying.host_attribute.as_deref(),
            relaying.address_attribute.as_deref(),
        ];
        let wanted = (relaying.filter.as_str(), &attributes[..]);
        let (directory, asker) = (&settings.directory, self.asker.clone());
        let client = &self.conditions.directory;
        let asking = client.entry(directory, recipient, wanted, self.freshness, asker);
        let Some(entry) = asking.await? else {
            return Ok(None);
        };
        let hostname = &self.conditions.tools.hostname;
        let route = DirectoryRoute::of(&entry, recipient, settings, hostname)?;
        Ok(Some(route))
    }
}

/// The one value of an attribute, with the attribute's name.
fn single<'a>(
    entry: &'a DirectoryEntry,
    attribute: Option<&'a str>,
) -> Result<Option<(&'a str, &'a str)>, String> {
    let Some(name) = attribute else {
        return Ok(None);
    };
    Ok(entry.value(name)?.map(|value| (name, value)))
}

/// A mailHost: a name or an address, perhaps with a port. None within when that is us.
fn server(text: &str, hostname: &str) -> Option<Option<ServerAddress>> {
    let url = match text.contains("://") {
        true => text.to_owned(),
        false => format!("smtp://{text}"),
    };
    let server: ServerAddress = url.parse().ok()?;
    let is_ours = server
        .host
        .trim_end_matches('.')
        .eq_ignore_ascii_case(hostname);
    Some((!is_ours).then_some(server))
}

impl Conditions {
    /// Whether a recipient of `party` is taken at RCPT, by what the directory says. Bounded by the
    /// directory's time-out.
    ///
    /// # Errors
    /// The reply to a recipient that it does not know, or cannot tell of.
    pub async fn recipient(
        &self,
        address: &Mailbox,
        party: ClientId,
        settings: &Settings,
    ) -> Result<(), Reply> {
        if !settings.is_asked_at_rcpt(address) {
            return Ok(());
        }
        let timeout = Duration::from_secs(settings.directory.timeout_seconds);
        let look_up = LookUp {
            conditions: self,
            settings,
            freshness: Freshness::Remembered,
            asker: Asker {
                party,
                deadline: Instant::now() + timeout,
                when_unavailable: settings.ldap_relaying.when_unavailable,
            },
        };
        let no_answer = match look_up.route(address).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => return Err(Reply::RECIPIENT_UNKNOWN),
            Err(no_answer) => no_answer,
        };
        tracing::warn!(recipient = %address, why = %no_answer, "the directory cannot tell at RCPT");
        match (no_answer, settings.ldap_relaying.when_unavailable) {
            (NoAnswer::CannotTell(_), WhenUnavailable::Pass) => Ok(()),
            _ => Err(Reply::RECIPIENT_UNCHECKED),
        }
    }

    /// Asks the directory itself where mail for an address goes, whether relaying is on or not; none
    /// when it does not know the address. Bounded by the directory's time-out and
    /// [`limits::LOOK_UP_TRY_WAIT`].
    ///
    /// # Errors
    /// Why it cannot tell.
    pub async fn try_route(
        &self,
        address: &Mailbox,
        settings: &Settings,
    ) -> Result<Option<DirectoryRoute>, String> {
        let look_up = LookUp {
            conditions: self,
            settings,
            freshness: Freshness::Anew,
            asker: Asker {
                when_unavailable: settings.ldap_relaying.when_unavailable,
                ..Asker::of_try_out(settings)
            },
        };
        let route = look_up.route(address).await;
        route.map_err(|no_answer| no_answer.to_string())
    }
}

#[cfg(test)]
#[path = "ldap_relaying_tests.rs"]
mod tests;
