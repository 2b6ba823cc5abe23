//! The first start: what the environment says counts once; from then on the database does.

use anyhow::Context as _;
use ipnet::IpNet;
use tracing::{info, warn};

use super::settings::Difference;
use super::written_names::{self, OwnAddresses};
use super::{Actor, api_tokens};
use crate::boot::Secret;
use crate::settings::next_hop::ServerAddress;
use crate::settings::{FieldErrors, Settings, SettingsDocument};
use crate::store::{AdministrationStore, StoredSettings};

/// The first-start variables, read and checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstStart {
    /// FASTPATH_NEXT_HOP.
    pub next_hop: Option<ServerAddress>,
    /// FASTPATH_TRUSTED_NETWORKS; they replace loopback.
    pub trusted_networks: Option<Vec<IpNet>>,
    /// FASTPATH_RELAY_DOMAINS.
    pub relay_domains: Option<Vec<String>>,
    /// FASTPATH_ADMIN_PASSWORD: the one-time password of /setup. It counts until that was done, which
    /// may be later than the first start.
    pub admin_password: Option<Secret>,
    /// FASTPATH_API_TOKEN: may read and write.
    pub api_token: Option<Secret>,
}

impl FirstStart {
    /// The settings of the first start: the defaults with what was given.
    ///
    /// # Errors
    /// Every field that does not hold.
    pub fn settings(&self) -> Result<Settings, FieldErrors> {
        let mut written = SettingsDocument {
            default_next_hop: self.next_hop.clone(),
            ..SettingsDocument::default()
        };
        if let Some(networks) = &self.trusted_networks {
            written.trusted_networks.clone_from(networks);
        }
        if let Some(domains) = &self.relay_domains {
            written.relay_domains.clone_from(domains);
        }
        let mut errors = FieldErrors::default();
        let (nothing, nowhere) = (SettingsDocument::default(), OwnAddresses::default());
        written_names::check(&nothing, &written, &nowhere, &mut errors);
        errors.into_result()?;
        Settings::new(written)
    }

    /// The variable that gives a field of the settings.
    #[must_use]
    pub fn variable_of(field: &str) -> &'static str {
        match field {
            "relay_domains" => "FASTPATH_RELAY_DOMAINS",
            "default_next_hop" => "FASTPATH_NEXT_HOP",
            _ => "FASTPATH_TRUSTED_NETWORKS",
        }
    }

    /// The variables that were given, for the log.
    fn given(&self) -> Vec<&'static str> {
        let given = [
            (self.next_hop.is_some(), "FASTPATH_NEXT_HOP"),
            (self.trusted_networks.is_some(), "FASTPATH_TRUSTED_NETWORKS"),
            (self.relay_domains.is_some(), "FASTPATH_RELAY_DOMAINS"),
            (self.api_token.is_some(), "FASTPATH_API_TOKEN"),
        ];
        given
            .into_iter()
            .filter_map(|(is_given, name)| is_given.then_some(name))
            .collect()
    }
}

/// The settings to start with: the stored ones, or those of the first start, which are stored then.
///
/// # Errors
/// When the store does not answer, or when what it holds does not hold.
pub async fn settings(
    store: &AdministrationStore,
    first_start: &FirstStart,
) -> anyhow::Result<Settings> {
    let stored = store
        .load_settings()
        .await
        .context("the stored settings cannot be read")?;
    if let Some(settings) = stored {
        let given = first_start.given();
        if !given.is_empty() {
            info!(
                variables = given.join(", "),
                "ignored: these count on the first start only; change the settings in the browser or by the API"
            );
        }
        return Ok(settings);
    }
    let settings = first_start
        .settings()
        .context("the first start's settings do not hold")?;
    for opened in settings.opened_beyond(&SettingsDocument::default()) {
        let variable = FirstStart::variable_of(opened.field);
        warn!(variable, "{}", opened.words);
    }
    let actor = Actor::command("serve");
    // Before the settings: while there are none, the next start is the first one again.
    if let Some(token) = &first_start.api_token {
        let adopted = api_tokens::adopt(store, token, &actor).await;
        adopted.context("the API token cannot be stored")?;
    }
    let entry = Difference::between(&SettingsDocument::default(), settings.document())
        .unwrap_or_default()
        .audited("first start", &actor);
    let stored = StoredSettings::of(settings.document())?;
    store
        .change(stored, entry)
        .await
        .context("the settings cannot be stored")?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_stands_over_the_defaults() {
        let first_start = FirstStart {
            next_hop: Some("smtp://127.0.0.1:2600".parse().expect("an address")),
            relay_domains: Some(vec!["example.net".to_owned()]),
            ..FirstStart::default()
        };
        let settings = first_start.settings().expect("they hold");
        assert_eq!(
            settings.next_hop_for("example.org").name().as_ref(),
            "127.0.0.1:2600"
        );
        assert!(settings.relays_for("example.net"));
        assert_eq!(
            settings.trusted_networks,
            SettingsDocument::default().trusted_networks
        );
        assert_eq!(
            first_start.given(),
            ["FASTPATH_NEXT_HOP", "FASTPATH_RELAY_DOMAINS"]
        );
    }

    #[test]
    fn networks_that_are_given_replace_loopback() {
        let first_start = FirstStart {
            trusted_networks: Some(vec!["10.0.0.0/8".parse().expect("a network")]),
            ..FirstStart::default()
        };
        let settings = first_start.settings().expect("they hold");
        assert!(settings.trusts([10, 1, 2, 3].into()));
        assert!(!settings.trusts([127, 0, 0, 1].into()));
    }
}
