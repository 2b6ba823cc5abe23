//! The blackhole lists as services: each has a breaker of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::service::{Service, ServiceFigures};
use crate::limits;
use crate::settings::Settings;

/// How each list fares.
#[derive(Debug, Default)]
pub(super) struct ZoneServices(Mutex<KnownZones>);

#[derive(Debug, Default)]
struct KnownZones {
    /// Whom the lists were asked through: what was learned through others means nothing.
    dns_servers: Vec<SocketAddr>,
    lists: HashMap<String, Arc<Service>>,
}

impl ZoneServices {
    /// One for each zone of the settings, in their order. Those that are not set any more are forgotten.
    pub(super) fn of(&self, settings: &Settings) -> Vec<Arc<Service>> {
        let zones = &settings.blackhole_lists.zones;
        let mut known = self.0.lock();
        if known.dns_servers != settings.dns_servers {
            known.dns_servers.clone_from(&settings.dns_servers);
            known.lists.clear();
        }
        let lists = &mut known.lists;
        lists.retain(|name, _| zones.iter().any(|zone| zone.zone == *name));
        let of_each = zones.iter().map(|zone| {
            if let Some(service) = lists.get(&zone.zone) {
                return Arc::clone(service);
            }
            let service = Arc::new(Service::new(zone.zone.as_str(), limits::DNS_CHECKS));
            lists.insert(zone.zone.clone(), Arc::clone(&service));
            service
        });
        of_each.collect()
    }

    /// How those fare that were asked.
    pub(super) fn figures(&self) -> Vec<ServiceFigures> {
        let known = self.0.lock();
        let figures = known.lists.values().filter_map(|list| list.figures());
        let mut figures: Vec<ServiceFigures> = figures.collect();
        figures.sort_by(|one, other| one.name.cmp(&other.name));
        figures
    }
}
