//! The services that checks ask, and what was learned of them.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::Client;

use super::directory::DirectoryClient;
use super::resources::CheckResources;
use super::service::ServiceFigures;
use super::service_access::ServiceByAccess;
use super::service_stream::http_client;
use super::zone_services::ZoneServices;
use crate::clients::FairSemaphore;
use crate::limits;
use crate::settings::service_address::ServiceAddress;

/// What the milters are called, by their positions in the settings.
const MILTERS: [&str; limits::MILTERS] = [
    "milter 1", "milter 2", "milter 3", "milter 4", "milter 5", "milter 6", "milter 7", "milter 8",
];

/// The checks with their services.
#[derive(Debug)]
pub struct Conditions {
    pub(super) tools: CheckResources,
    pub(super) directory: DirectoryClient,
    pub(super) blackhole_lists: ZoneServices,
    /// One place for each message that is looked into.
    pub(super) content_looks: Arc<FairSemaphore>,
    /// The DNS as the sender check asks it.
    pub(super) dns: ServiceByAccess<Vec<SocketAddr>>,
    pub(super) antivirus: ServiceByAccess<ServiceAddress>,
    pub(super) rspamd: ServiceByAccess<ServiceAddress>,
    pub(super) spamd: ServiceByAccess<ServiceAddress>,
    /// Speaks to rspamd; or why it cannot.
    pub(super) http: Result<Client, String>,
    /// One place for each message that is being encrypted.
    pub(super) encryptions: Arc<FairSemaphore>,
    /// By their positions in the settings: each has a breaker of its own.
    pub(super) milters: [ServiceByAccess<ServiceAddress>; limits::MILTERS],
}

impl Conditions {
    /// Conditions whose services have not been asked yet.
    #[must_use]
    pub fn new(tools: CheckResources) -> Self {
        Self {
            tools,
            directory: DirectoryClient::default(),
            blackhole_lists: ZoneServices::default(),
            content_looks: FairSemaphore::new(limits::CONTENT_LOOKS),
            dns: ServiceByAccess::new("DNS"),
            antivirus: ServiceByAccess::new("clamd"),
            rspamd: ServiceByAccess::new("rspamd"),
            spamd: ServiceByAccess::new("spamd"),
            http: http_client(),
            encryptions: FairSemaphore::new(limits::ENCRYPTIONS_AT_ONCE),
            milters: MILTERS.map(ServiceByAccess::new),
        }
    }

    /// The figures of the services that were asked since the start, for the dashboard.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceFigures> {
        let by_address = [&self.antivirus, &self.rspamd, &self.spamd].into_iter();
        let by_address = by_address.chain(&self.milters);
        let mut figures = self.blackhole_lists.figures();
        figures.extend(self.dns.figures());
        figures.extend(self.directory.figures());
        figures.extend(by_address.filter_map(ServiceByAccess::figures));
        figures
    }
}
