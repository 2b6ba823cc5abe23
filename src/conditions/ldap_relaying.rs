//! LDAP relaying: the directory says where mail for a recipient goes, by mailHost and
//! mailRoutingAddress (the schema of draft-lachman-laser-ldap-mail-routing).

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::Conditions;
use super::check::{CheckFn, Concerns, ConditionCheck};
use super::directory::{DirectoryClient, DirectoryEntry, DirectoryQuery, Freshness, LookUpResult};
use super::service::{Asker, NoAnswer};
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
    run: CheckFn::Envelope(|asked| {
        let look_up = LookUp {
            directory: &asked.conditions.directory,
            settings: asked.settings,
            hostname: &asked.conditions.tools.hostname,
            freshness: Freshness::Remembered,
            asker: asked.asker,
        };
        Box::pin(check(look_up, asked.envelope.recipients))
    }),
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

/// A recipient of a message, by its place, and what was found.
struct Routed {
    recipient: usize,
    address: Mailbox,
    route: Option<DirectoryRoute>,
}

/// How recipients are looked up.
#[derive(Clone, Debug)]
pub(super) struct LookUp<'a> {
    pub(super) directory: &'a DirectoryClient,
    pub(super) settings: &'a Settings,
    /// Our name: a recipient whose mailHost we are is at its place.
    pub(super) hostname: &'a str,
    pub(super) freshness: Freshness,
    pub(super) asker: Asker,
}

/// Looks every recipient up that the directory routes.
pub(super) async fn check(look_up: LookUp<'_>, recipients: &[Recipient]) -> CheckVerdict {
    let recipients = recipients.iter().enumerate();
    let asked: Vec<(usize, Mailbox)> = recipients
        .map(|(position, recipient)| (position, recipient.address.clone()))
        .filter(|(_, address)| look_up.settings.is_routed_by_directory(address))
        .collect();
    let routes = stream::iter(asked)
        .map(|(position, address)| look_up.routed(position, address))
        .buffered(look_up.settings.directory.connections_max as usize)
        .try_collect::<Vec<_>>();
    match routes.await {
        Ok(routes) => directed(routes),
        Err(no_answer) => CheckVerdict::without(no_answer),
    }
}

/// What is changed by what was found, told in words.
fn directed(routes: Vec<Routed>) -> CheckVerdict {
    let mut edits = Vec::new();
    let mut told = Vec::new();
    for Routed {
        recipient,
        address,
        route,
    } in routes
    {
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
        let host = single(entry, relaying.host_attribute.as_deref())?;
        let mail_host = match host {
            Some((name, host)) => server(host, hostname)
                .ok_or_else(|| malformed(entry, name, host, "is no server"))?,
            None => None,
        };
        let address = match single(entry, relaying.address_attribute.as_deref())? {
            Some((name, text)) => {
                let address = Mailbox::parse(text)
                    .map_err(|_| malformed(entry, name, text, "is no address"))?;
                (address != *recipient).then_some(address)
            }
            None => None,
        };
        Ok(Self {
            entry: words::cut(&entry.dn),
            mail_host,
            address,
        })
    }
}

impl LookUp<'_> {
    async fn routed(&self, recipient: usize, address: Mailbox) -> Result<Routed, NoAnswer> {
        let route = self.route(&address).await?;
        Ok(Routed {
            recipient,
            address,
            route,
        })
    }

    /// Where mail for a recipient goes; none when the directory does not know it.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn route(
        &self,
        recipient: &Mailbox,
    ) -> Result<Option<DirectoryRoute>, NoAnswer> {
        let settings = self.settings;
        let relaying = &settings.ldap_relaying;
        let attributes = [
            relaying.host_attribute.as_deref(),
            relaying.address_attribute.as_deref(),
        ];
        let question = DirectoryQuery::about(recipient, &relaying.filter, &attributes);
        let asker = self.asker.clone();
        let found = self
            .directory
            .find(&settings.directory, question, self.freshness, asker)
            .await?;
        match found {
            LookUpResult::Nobody => Ok(None),
            LookUpResult::Several => Err(several(recipient).into()),
            LookUpResult::Entry(entry) => {
                let route = DirectoryRoute::of(&entry, recipient, settings, self.hostname)?;
                Ok(Some(route))
            }
        }
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
    let mut values = entry.values(name);
    let value = values.next().map(|value| (name, value));
    match values.next() {
        None => Ok(value),
        Some(_) => Err(words::cut(&format!("{} has several {name}", entry.dn))),
    }
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

pub(super) fn several(address: &Mailbox) -> String {
    words::cut(&format!("the directory has several entries for {address}"))
}

pub(super) fn malformed(
    entry: &DirectoryEntry,
    attribute: &str,
    value: &str,
    what: &str,
) -> String {
    let value = words::cut(value);
    let whole = format!("{attribute} “{value}” {what}, in {}", entry.dn);
    words::cut(&whole)
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
        let look_up = self.look_up(settings, Freshness::Remembered, party, timeout);
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
        let timeout = Duration::from_secs(settings.directory.timeout_seconds);
        let wait = timeout.min(limits::LOOK_UP_TRY_WAIT);
        let look_up = self.look_up(settings, Freshness::Anew, ClientId::Ourselves, wait);
        let route = look_up.route(address).await;
        route.map_err(|no_answer| no_answer.to_string())
    }

    fn look_up<'a>(
        &'a self,
        settings: &'a Settings,
        freshness: Freshness,
        party: ClientId,
        wait: Duration,
    ) -> LookUp<'a> {
        LookUp {
            directory: &self.directory,
            settings,
            hostname: &self.tools.hostname,
            freshness,
            asker: Asker {
                party,
                deadline: Instant::now() + wait,
                when_unavailable: settings.ldap_relaying.when_unavailable,
            },
        }
    }
}

#[cfg(test)]
#[path = "ldap_relaying_tests.rs"]
mod tests;
