//! The DNS servers that are asked: those that are set, or those of the system.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::limits;

/// The servers of one moment.
#[derive(Debug)]
pub(super) struct Servers {
    /// Asks with EDNS, for answers beyond 512 bytes.
    extended: TokioResolver,
    /// Asks as RFC 1035 has it.
    plain: TokioResolver,
    /// Until when they are asked plainly, because they understood nothing else.
    plain_until: Mutex<Option<Instant>>,
}

impl Servers {
    /// Asks once, in as many packets as that takes. Nothing is kept. The caller bounds the wait.
    ///
    /// # Errors
    /// Why there is no answer, which may be that there are no records.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Lookup, NetError> {
        if self.are_plain() {
            return self.plain.lookup(name.clone(), kind).await;
        }
        let extended = self.extended.lookup(name.clone(), kind);
        tokio::pin!(extended);
        tokio::select! {
            answer = &mut extended => {
                if !is_not_understood(&answer) {
                    return answer;
                }
                self.ask_plainly(name, kind).await
            }
            // RFC 6891 §6.2.2: a device on the way may drop what it does not know, or refuse it in a
            // form that does not match the question.
            () = sleep(limits::DNS_EDNS_WAIT) => {
                let plain = self.ask_plainly(name, kind);
                tokio::pin!(plain);
                tokio::select! {
                    answer = &mut extended => match is_answer(&answer) {
                        true => answer,
                        false => plain.await,
                    },
                    answer = &mut plain => match is_answer(&answer) {
                        true => answer,
                        false => extended.await,
                    },
                }
            }
        }
    }

    async fn ask_plainly(&self, name: &Name, kind: RecordType) -> Result<Lookup, NetError> {
        let answer = self.plain.lookup(name.clone(), kind).await;
        if is_answer(&answer) {
            let until = Instant::now() + limits::DNS_PLAIN_HOLD;
            *self.plain_until.lock() = Some(until);
        }
        answer
    }

    fn are_plain(&self) -> bool {
        self.plain_until
            .lock()
            .is_some_and(|until| Instant::now() < until)
    }
}

/// RFC 6891 §7: servers that do not know EDNS say so in one of these ways.
fn is_not_understood(answer: &Result<Lookup, NetError>) -> bool {
    matches!(
        answer,
        Err(NetError::Dns(DnsError::ResponseCode(
            ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS
        )))
    )
}

/// Whether it says which records there are, or that there are none.
fn is_answer(answer: &Result<Lookup, NetError>) -> bool {
    matches!(
        answer,
        Ok(_) | Err(NetError::Dns(DnsError::NoRecordsFound(_)))
    )
}

/// The system's files with its DNS servers, and with the names that need none.
#[derive(Debug)]
pub(super) struct SystemFiles {
    resolv_conf: PathBuf,
    hosts: PathBuf,
}

impl Default for SystemFiles {
    fn default() -> Self {
        Self {
            resolv_conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
        }
    }
}

/// Which servers are asked now: of the settings, or of the system's files, which are looked at now and then.
#[derive(Debug, Default)]
pub(super) struct NameServers {
    files: SystemFiles,
    current: Mutex<Option<CurrentServers>>,
}

#[derive(Debug)]
struct CurrentServers {
    by: ResolverSetup,
    looked_at: Instant,
    servers: Arc<Servers>,
}

/// What determines the resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ResolverSetup {
    set: Vec<SocketAddr>,
    /// Not looked at where servers are set.
    resolv_conf: Vec<u8>,
    hosts: Vec<u8>,
}

impl NameServers {
    /// The servers to ask. `set` empty: those of the system. Calls `on_change` when they are others than before,
    /// or other names are known without them.
    ///
    /// # Errors
    /// When the system's cannot be found out, and never could.
    pub(super) fn current(
        &self,
        set: &[SocketAddr],
        on_change: impl FnOnce(),
    ) -> Result<Arc<Servers>, NetError> {
        let mut current = self.current.lock();
        let now = Instant::now();
        let known = current.as_mut().filter(|chosen| chosen.by.set == set);
        if let Some(chosen) = &known
            && now - chosen.looked_at < limits::DNS_SYSTEM_INTERVAL
        {
            return Ok(Arc::clone(&chosen.servers));
        }
        let by = self.files.read(set);
        if let Some(chosen) = known {
            chosen.looked_at = now;
            // A file that is being written may be empty for a moment.
            if chosen.by == by || by.build().is_err() {
                return Ok(Arc::clone(&chosen.servers));
            }
        }
        let servers = Arc::new(by.build()?);
        *current = Some(CurrentServers {
            by,
            looked_at: now,
            servers: Arc::clone(&servers),
        });
        drop(current);
        on_change();
        Ok(servers)
    }
}

impl SystemFiles {
    fn read(&self, set: &[SocketAddr]) -> ResolverSetup {
        // One that is not there says nothing.
        let read = |path: &Path| std::fs::read(path).unwrap_or_default();
        ResolverSetup {
            set: set.to_vec(),
            resolv_conf: match set.is_empty() {
                true => read(&self.resolv_conf),
                false => Vec::new(),
            },
            hosts: read(&self.hosts),
        }
    }
}

impl ResolverSetup {
    fn build(&self) -> Result<Servers, NetError> {
        let (config, options) = match self.set.is_empty() {
            true => parse_resolv_conf(&self.resolv_conf)?,
            false => (config_of(&self.set), ResolverOpts::default()),
        };
        let mut hosts = Hosts::default();
        if let Err(error) = hosts.read_hosts_conf(&self.hosts[..]) {
            tracing::warn!(%error, "the hosts file cannot be read to its end");
        }
        let hosts = Arc::new(hosts);
        Ok(Servers {
            extended: resolver(&config, &options, &hosts, true)?,
            plain: resolver(&config, &options, &hosts, false)?,
            plain_until: Mutex::default(),
        })
    }
}

fn config_of(set: &[SocketAddr]) -> ResolverConfig {
    let servers = set.iter().map(|server| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    });
    ResolverConfig::from_name_servers(servers.collect())
}

/// A resolver that keeps nothing.
fn resolver(
    config: &ResolverConfig,
    options: &ResolverOpts,
    hosts: &Arc<Hosts>,
    extended: bool,
) -> Result<TokioResolver, NetError> {
    let runtime = TokioRuntimeProvider::default();
    let builder = TokioResolver::builder_with_config(config.clone(), runtime);
    let mut builder = builder.with_options(options.clone());
    let options = builder.options_mut();
    options.timeout = limits::DNS_TRY_WAIT;
    options.cache_size = 0;
    options.max_active_requests = limits::DNS_QUESTIONS;
    options.edns0 = extended;
    let mut resolver = builder.build()?;
    resolver.set_hosts(Arc::clone(hosts));
    Ok(resolver)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn name_servers(directory: &Path) -> NameServers {
        NameServers {
            files: SystemFiles {
                resolv_conf: directory.join("resolv.conf"),
                hosts: directory.join("hosts"),
            },
            current: Mutex::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_system_says_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("written");
        };
        let name_servers = name_servers(directory.path());
        let changes = AtomicUsize::new(0);
        let choose = |set: &[SocketAddr]| {
            name_servers.current(set, || {
                changes.fetch_add(1, Ordering::Relaxed);
            })
        };
        assert!(choose(&[]).is_err(), "nothing says whom to ask");

        write("resolv.conf", "nameserver 192.0.2.1\n");
        let first = choose(&[]).expect("there is one");
        assert_eq!(changes.load(Ordering::Relaxed), 1);
        // Not everybody looks.
        write("resolv.conf", "nameserver 192.0.2.2\n");
        assert!(Arc::ptr_eq(&first, &choose(&[]).expect("the same")));
        tokio::time::advance(limits::DNS_SYSTEM_INTERVAL).await;
        let second = choose(&[]).expect("another");
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(changes.load(Ordering::Relaxed), 2);

        // Whoever writes it anew has it empty for a moment.
        write("resolv.conf", "");
        tokio::time::advance(limits::DNS_SYSTEM_INTERVAL).await;
        assert!(Arc::ptr_eq(&second, &choose(&[]).expect("the same")));
        write("resolv.conf", "nameserver 192.0.2.2\n");
        write("hosts", "192.0.2.7 mail\n");
        tokio::time::advance(limits::DNS_SYSTEM_INTERVAL).await;
        let third = choose(&[]).expect("another name is known");
        assert!(!Arc::ptr_eq(&second, &third));
        let mail = Name::from_ascii("mail.").expect("a name");
        let found = third.ask(&mail, RecordType::A);
        assert_eq!(found.await.expect("it is known").answers().len(), 1);

        let set = ["192.0.2.53:53".parse().expect("an address")];
        let of_settings = choose(&set).expect("they are set");
        assert!(!Arc::ptr_eq(&third, &of_settings));
        assert_eq!(changes.load(Ordering::Relaxed), 4);
        let again = choose(&[]).expect("none are set any more");
        assert!(!Arc::ptr_eq(&of_settings, &again));
        assert_eq!(changes.load(Ordering::Relaxed), 5);
    }
}
