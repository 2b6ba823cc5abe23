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
mod entry;
#[cfg(any(fuzzing, test))]
pub(super) mod fuzzing;
mod message;
#[cfg(test)]
pub(crate) mod testing;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::service::{Asker, NoAnswer, Service, ServiceError, ServiceFigures};
use super::words;
use crate::limits;
use crate::settings::conditions::Directory as Settings;
use crate::smtp::address::Mailbox;
use connection::LdapConnection;
use entry::{DirectoryQuery, LookUpResult};

pub(super) use entry::DirectoryEntry;

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

/// Whether an answer from memory will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It will.
    Remembered,
    /// The directory itself is asked.
    Anew,
}

impl DirectoryClient {
    /// How it fares; none when it was not asked.
    pub(super) fn figures(&self) -> Option<ServiceFigures> {
        let access = self.access.lock();
        access.as_ref()?.service.figures()
    }

    /// The entry of an address, by `filter` and with these attributes; none when there is none. Asks until the
    /// asker's deadline at the latest.
    ///
    /// # Errors
    /// Why there is no answer, or that there are several.
    pub(super) async fn entry(
        &self,
        settings: &Settings,
        address: &Mailbox,
        (filter, attributes): (&str, &[Option<&str>]),
        freshness: Freshness,
        asker: Asker,
    ) -> Result<Option<Arc<DirectoryEntry>>, NoAnswer> {
        let question = DirectoryQuery::about(address, filter, attributes);
        match self.find(settings, question, freshness, asker).await? {
            LookUpResult::Nobody => Ok(None),
            LookUpResult::Entry(entry) => Ok(Some(entry)),
            LookUpResult::Several => {
                let why = format!("the directory has several entries for {address}");
                Err(words::cut(&why).into())
            }
        }
    }

    async fn find(
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
        let mut access = self.access.lock();
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
    async fn ask(&self, question: &DirectoryQuery) -> Result<LookUpResult, ServiceError> {
        if let Some(mut connection) = self.take_idle() {
            match connection.search(&self.settings, question).await {
                Err(ServiceError::Service(_)) => {}
                answer => return self.keep(connection, answer),
            }
        }
        let mut connection = self.open().await?;
        let answer = connection.search(&self.settings, question).await;
        self.keep(connection, answer)
    }

    async fn open(&self) -> Result<LdapConnection, ServiceError> {
        let tls = self.connector().await?;
        LdapConnection::open(&self.settings, tls).await
    }

    /// The neutral question: a login, and whether the entry is there below which everything is looked up. A
    /// directory that says it is not has answered.
    async fn ask_neutrally(&self) -> Result<(), String> {
        let looked = async { self.open().await?.look_at_base(&self.settings).await };
        match looked.await {
            Ok(()) | Err(ServiceError::Message(_)) => Ok(()),
            Err(trouble) => Err(trouble.to_string()),
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
        let mut idle = self.idle.lock();
        idle.retain(|connection| connection.used_at.elapsed() < limits::DIRECTORY_IDLE);
        idle.pop()
    }

    fn keep(
        &self,
        connection: LdapConnection,
        answer: Result<LookUpResult, ServiceError>,
    ) -> Result<LookUpResult, ServiceError> {
        let mut idle = self.idle.lock();
        let is_broken = matches!(answer, Err(ServiceError::Service(_)));
        if !is_broken && idle.len() < self.settings.connections_max as usize {
            idle.push(connection);
        }
        answer
    }
}

impl std::fmt::Debug for DirectoryAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
