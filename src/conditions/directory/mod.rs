//! The LDAP directory: who has an entry, and what stands in it.
//!
//! [`DirectoryClient::find`] answers one question: from memory when it was answered a moment ago, else over a
//! connection, at most so many at once, each used for one question after the other and kept for the
//! next. A question costs no more than its deadline, and a directory that is down is left alone like
//! every service.
//!
//! ldap3 reads the filters and escapes what is put into them. The connection is ours: a client that
//! ends the process over what a server says ([`ber`] says how), or takes whatever it says into memory,
//! cannot stand between a message and its reply.

mod ber;
mod connection;
#[cfg(any(fuzzing, test))]
pub(super) mod fuzzing;
mod message;
#[cfg(test)]
pub(crate) mod testing;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::service::{self, Asker, NoAnswer, Service, ServiceFigures};
use crate::limits;
use crate::settings::conditions::{Directory as Settings, PLACEHOLDERS};
use crate::smtp::address::Mailbox;
use connection::{LdapConnection, LdapError};

/// What the directory is called.
const NAME: &str = "LDAP directory";

/// The directory, and what was learned of it.
#[derive(Debug, Default)]
pub(super) struct DirectoryClient {
    /// As it was asked last: other settings, another directory.
    access: Mutex<Option<Arc<DirectoryAccess>>>,
}

/// The directory of one version of the settings.
struct DirectoryAccess {
    settings: Settings,
    service: Service,
    tls: OnceCell<TlsConnector>,
    /// Connections that nobody uses now; never more than the settings allow at once.
    idle: Mutex<Vec<LdapConnection>>,
    known: Cache<DirectoryQuery, LookUpResult>,
}

/// Which entry, and what of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DirectoryQuery {
    /// A filter that is filled in.
    filter: String,
    attributes: Vec<String>,
}

/// What the directory says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LookUpResult {
    /// There is no such entry.
    Nobody,
    /// There is one.
    Entry(Arc<DirectoryEntry>),
    /// There is more than one: it cannot tell which is meant.
    Several,
}

/// An entry with what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DirectoryEntry {
    /// Its name.
    pub(super) dn: String,
    /// Attribute and value.
    values: Vec<(String, String)>,
}

/// Whether an answer from memory will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It will.
    Remembered,
    /// The directory itself is asked.
    Anew,
}

impl DirectoryQuery {
    /// About the entry of an address. What the address has of signs that mean something in a filter is
    /// escaped.
    pub(super) fn about(address: &Mailbox, filter: &str, attributes: &[Option<&str>]) -> Self {
        let local_part = unquoted(address.local_part());
        let domain = address.domain().to_lowercase();
        let whole = format!("{local_part}@{domain}");
        let mut filled = String::new();
        let mut rest = filter;
        while let Some(at) = rest.find('%') {
            let (before, found) = rest.split_at(at);
            filled.push_str(before);
            let values = [whole.as_str(), &local_part, &domain];
            let mut known = PLACEHOLDERS.iter().zip(values);
            match known.find(|(placeholder, _)| found.starts_with(*placeholder)) {
                Some((placeholder, value)) => {
                    filled.push_str(&ldap3::ldap_escape(value));
                    rest = &found[placeholder.len()..];
                }
                None => {
                    filled.push('%');
                    rest = &found[1..];
                }
            }
        }
        filled.push_str(rest);
        let attributes = attributes.iter().flatten();
        Self {
            filter: filled,
            attributes: attributes.map(|name| (*name).to_owned()).collect(),
        }
    }

    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(String::len);
        self.filter.len() + attributes.sum::<usize>()
    }
}

/// RFC 5321 §4.1.2: quotes and backslashes are no part of what they quote.
fn unquoted(local_part: &str) -> String {
    let Some(quoted) = local_part.strip_prefix('"') else {
        return local_part.to_owned();
    };
    let mut text = String::new();
    let mut letters = quoted.strip_suffix('"').unwrap_or(quoted).chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            letter => text.push(letter),
        }
    }
    text
}

impl DirectoryEntry {
    /// The values of an attribute, whatever the case of its name. Options of the name (RFC 4512 §2.5.2),
    /// like the language, do not matter.
    pub(super) fn values<'a>(&'a self, attribute: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.values.iter().filter(move |(name, _)| {
            let base = name.split(';').next().unwrap_or(name);
            base.eq_ignore_ascii_case(attribute)
        });
        named.map(|(_, value)| value.trim())
    }

    fn bytes(&self) -> usize {
        let values = self.values.iter();
        let values = values.map(|(name, value)| name.len() + value.len());
        self.dn.len() + values.sum::<usize>()
    }
}

impl LookUpResult {
    fn bytes(&self) -> usize {
        match self {
            Self::Nobody | Self::Several => 0,
            Self::Entry(entry) => entry.bytes(),
        }
    }
}

impl DirectoryClient {
    /// How it fares; none when it was not asked.
    pub(super) fn figures(&self) -> Option<ServiceFigures> {
        let access = locked(&self.access);
        access.as_ref()?.service.figures()
    }

    /// Asks, until the asker's deadline at the latest.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn find(
        &self,
        settings: &Settings,
        question: DirectoryQuery,
        freshness: Freshness,
        asker: Asker,
    ) -> Result<LookUpResult, NoAnswer> {
        let access = self.access(settings);
        if freshness == Freshness::Remembered
            && let Some(found) = access.known.get(&question)
        {
            return Ok(found);
        }
        let (asking, neutral) = (access.ask(&question), access.ask_neutrally());
        let found = access.service.ask(asker, asking, neutral).await?;
        if settings.cache_seconds > 0 {
            access.known.insert(question, found.clone());
        }
        Ok(found)
    }

    /// The directory of these settings. Those of before it are forgotten with their connections.
    fn access(&self, settings: &Settings) -> Arc<DirectoryAccess> {
        let mut access = locked(&self.access);
        match &*access {
            Some(access) if access.settings == *settings => Arc::clone(access),
            _ => {
                let new = Arc::new(DirectoryAccess::new(settings));
                *access = Some(Arc::clone(&new));
                new
            }
        }
    }
}

impl DirectoryAccess {
    fn new(settings: &Settings) -> Self {
        let known = Cache::builder()
            .max_capacity(limits::DIRECTORY_CACHE_BYTES)
            .weigher(|question: &DirectoryQuery, found: &LookUpResult| {
                let bytes = question.bytes() + found.bytes();
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .time_to_live(Duration::from_secs(settings.cache_seconds))
            .build();
        Self {
            settings: settings.clone(),
            service: Service::new(NAME, settings.connections_max),
            tls: OnceCell::new(),
            idle: Mutex::default(),
            known,
        }
    }

    /// Asks over a connection that is there, or another one: the directory may have closed it while
    /// nobody used it.
    async fn ask(&self, question: &DirectoryQuery) -> Result<LookUpResult, service::ServiceError> {
        if let Some(mut connection) = self.take_idle() {
            match connection.search(&self.settings, question).await {
                Err(LdapError::Broken(_)) => {}
                answer => return self.keep(connection, answer),
            }
        }
        let mut connection = self.open().await?;
        let answer = connection.search(&self.settings, question).await;
        self.keep(connection, answer)
    }

    async fn open(&self) -> Result<LdapConnection, String> {
        let tls = self.connector().await?;
        let opened = LdapConnection::open(&self.settings, tls).await;
        opened.map_err(LdapError::told)
    }

    /// The neutral question: a login, and whether the entry is there below which everything is looked up. A
    /// directory that says it is not has answered.
    async fn ask_neutrally(&self) -> Result<(), String> {
        let mut connection = self.open().await?;
        match connection.look_at_base(&self.settings).await {
            Ok(()) | Err(LdapError::Said(_)) => Ok(()),
            Err(LdapError::Broken(why)) => Err(why),
        }
    }

    /// What secures connections; none when they are not to be.
    async fn connector(&self) -> Result<Option<&TlsConnector>, String> {
        let settings = &self.settings;
        if !settings.start_tls && settings.url.as_ref().is_none_or(|url| !url.tls) {
            return Ok(None);
        }
        let connector = self.tls.get_or_try_init(|| trust::connector(settings));
        connector.await.map(Some)
    }

    fn take_idle(&self) -> Option<LdapConnection> {
        let mut idle = locked(&self.idle);
        idle.retain(|connection| connection.used_at.elapsed() < limits::DIRECTORY_IDLE);
        idle.pop()
    }

    fn keep(
        &self,
        connection: LdapConnection,
        answer: Result<LookUpResult, LdapError>,
    ) -> Result<LookUpResult, service::ServiceError> {
        if !matches!(answer, Err(LdapError::Broken(_))) {
            let mut idle = locked(&self.idle);
            if idle.len() < self.settings.connections_max as usize {
                idle.push(connection);
            }
        }
        answer.map_err(|trouble| match trouble {
            LdapError::Broken(why) => service::ServiceError::Service(why),
            LdapError::Said(why) => service::ServiceError::Message(why),
        })
    }
}

impl std::fmt::Debug for DirectoryAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Each change is a single step: what a panic leaves is whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(test)]
mod tests;
