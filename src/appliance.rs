//! Wiring and ordered shutdown.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::administration::{Administration, FirstStart};
use crate::boot::{Addresses, DataDirectory, Options};
use crate::statistics::Statistics;

/// A running appliance.
#[derive(Debug)]
pub struct Appliance {
    addresses: Addresses,
    administration: Arc<Administration>,
    statistics: Arc<Statistics>,
}

impl Appliance {
    /// Opens the databases, binds every address and begins to take mail.
    ///
    /// # Errors
    /// When a database cannot be opened or an address cannot be bound.
    #[expect(clippy::unused_async, reason = "opening the databases awaits")]
    pub async fn start(
        _options: &Options,
        _directory: &DataDirectory,
        _first_start: &FirstStart,
    ) -> anyhow::Result<Self> {
        anyhow::bail!("not wired yet")
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Changes of its settings.
    #[must_use]
    pub fn administration(&self) -> &Arc<Administration> {
        &self.administration
    }

    /// What it has counted.
    #[must_use]
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.statistics
    }

    /// Runs until `shutdown`, then finishes or stores what is under way and closes the databases.
    ///
    /// # Errors
    /// When something could not be closed in order.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        shutdown.cancelled().await;
        Ok(())
    }
}
