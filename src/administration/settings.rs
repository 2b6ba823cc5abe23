//! A change of the settings.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::published_store::{ChangeError, PublishedStore, ReadyChange};
use super::settings_check::{self, OpenRelay};
use super::written_names::OwnAddresses;
use super::{Actor, long_lists};
use crate::accounts::AuditEntry;
use crate::limits;
use crate::settings::{
    Current, FieldErrors, Publisher, SHOWN, Settings, SettingsDocument, part_mut,
};
use crate::store::{AdministrationStore, OpenError, StoredSettings};

/// As errors call them.
const NAME: &str = "settings";

/// The one place that changes settings.
#[derive(Debug)]
pub struct Administration {
    /// Between two changes it holds what was stored when it was looked at last, which is in force when it can be.
    kept: PublishedStore<Settings, Option<StoredSettings>>,
    ourselves: OwnAddresses,
}

impl Administration {
    /// Changes what `publisher` publishes and `store` keeps; no next hop may be `ourselves`.
    #[must_use]
    pub fn new(
        store: AdministrationStore,
        publisher: Publisher,
        ourselves: OwnAddresses,
    ) -> Arc<Self> {
        Arc::new(Self {
            kept: PublishedStore::new(NAME, store, publisher),
            ourselves,
        })
    }

    /// The current settings.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.kept.current.snapshot()
    }

    /// The settings, for repeated reading.
    #[must_use]
    pub fn current(&self) -> Current {
        self.kept.current.clone()
    }

    /// Changes the fields of `patch`, and gives the settings as they are then. A patch that changes
    /// nothing leaves no trace; one that makes an open relay is refused.
    ///
    /// # Errors
    /// When a field does not hold, or the store does not take it; nothing is changed then.
    pub async fn change(
        self: &Arc<Self>,
        patch: Map<String, Value>,
        actor: Actor,
    ) -> Result<Arc<Settings>, ChangeError> {
        self.change_with(move |_| Ok(patch), OpenRelay::ELSEWHERE, actor)
            .await
    }

    /// Like [`Self::change`], with a patch that is made from the settings as they are when it is this
    /// change's turn: who replaces a part of a field loses nothing of what others changed meanwhile.
    /// An open relay is made only when it is meant.
    ///
    /// # Errors
    /// Likewise, and what `patch` finds wrong.
    pub async fn change_with(
        self: &Arc<Self>,
        patch: impl FnOnce(&Settings) -> Result<Map<String, Value>, FieldErrors> + Send + 'static,
        open_relay: OpenRelay,
        actor: Actor,
    ) -> Result<Arc<Settings>, ChangeError> {
        let administration = Arc::clone(self);
        let change = async move { administration.apply(patch, open_relay, &actor).await };
        self.kept.on_its_own_task(change).await
    }

    async fn apply(
        &self,
        patch: impl FnOnce(&Settings) -> Result<Map<String, Value>, FieldErrors> + Send + 'static,
        open_relay: OpenRelay,
        actor: &Actor,
    ) -> Result<Arc<Settings>, ChangeError> {
        let mut stored = self.kept.turn_of(actor).await?;
        // A command may have stored others a moment ago, which this change must not undo.
        self.take_over(&mut stored).await;
        let before = self.settings();
        let ourselves = self.ourselves.clone();
        let making = {
            let before = Arc::clone(&before);
            move || PreparedChange::of(&before, patch, open_relay, &ourselves)
        };
        // Long lists take a while, in which messages are not kept waiting.
        let made = spawn_blocking(making).await;
        let Some(made) = made.map_err(|_| ChangeError::Interrupted(NAME))?? else {
            return Ok(before);
        };
        let PreparedChange {
            after,
            difference,
            text,
            errors,
        } = made;
        settings_check::check_files(before.document(), after.document(), errors).await?;
        let fields = difference.fields();
        let ready = ReadyChange {
            change: text.clone(),
            entry: difference.audited("settings changed", actor),
            after,
        };
        self.kept.put(ready).await?;
        *stored = Some(text);
        info!(%fields, %actor, "settings changed");
        Ok(self.settings())
    }

    /// Publishes what a command stored beside this process, until `stop`: `fastpath admin` has no
    /// other way to reach us, and needs none.
    pub async fn follow_store(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(limits::STORED_SETTINGS_INTERVAL) => {}
            }
            // Whoever changes settings notes it in the audit, which is less to read than they are.
            match self.kept.store.newest_audit().await {
                Ok(newest) if newest != seen => {
                    let mut stored = self.kept.turn().await;
                    self.take_over(&mut stored).await;
                    seen = newest;
                }
                Ok(_) => {}
                Err(error) => warn!(%error, "the stored settings were not looked at"),
            }
        }
    }

    /// Publishes what is stored when that is not what was `seen` there last.
    async fn take_over(&self, seen: &mut Option<StoredSettings>) {
        if let Err(error) = self.take_over_stored(seen).await {
            warn!(%error, "the settings stay as they are");
        }
    }

    async fn take_over_stored(&self, seen: &mut Option<StoredSettings>) -> anyhow::Result<()> {
        let stored = self.kept.store.stored_settings().await?;
        let Some(stored) = stored.filter(|stored| seen.as_ref() != Some(stored)) else {
            return Ok(());
        };
        // What does not hold is said once.
        *seen = Some(stored.clone());
        let current = self.settings();
        let reading = move || -> Result<_, OpenError> {
            let settings = stored.read()?;
            let difference = Difference::between(current.document(), settings.document());
            Ok(difference.map(|difference| (settings, difference.fields())))
        };
        if let Some((settings, fields)) = spawn_blocking(reading).await?? {
            self.kept.publish(settings);
            info!(%fields, "settings taken over that a command stored");
        }
        Ok(())
    }
}

/// A change, ready to be stored.
struct PreparedChange {
    after: Settings,
    difference: Difference,
    text: StoredSettings,
    /// What is wrong with it.
    errors: FieldErrors,
}

impl PreparedChange {
    /// None when nothing would be changed.
    fn of(
        before: &Settings,
        patch: impl FnOnce(&Settings) -> Result<Map<String, Value>, FieldErrors>,
        open_relay: OpenRelay,
        ourselves: &OwnAddresses,
    ) -> Result<Option<Self>, ChangeError> {
        let after = before.patched(&patch(before)?)?;
        let (old, new) = (before.document(), after.document());
        let Some(difference) = Difference::between(old, new) else {
            return Ok(None);
        };
        Ok(Some(Self {
            text: StoredSettings::of(new)
                .map_err(|cause| ChangeError::Store { kept: NAME, cause })?,
            errors: settings_check::check(old, new, open_relay, ourselves),
            difference,
            after,
        }))
    }
}

/// The fields that two settings differ in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Difference {
    /// None when they are the same. A secret that was changed is among the fields, but not its text.
    pub(super) fn between(before: &SettingsDocument, after: &SettingsDocument) -> Option<Self> {
        if before == after {
            return None;
        }
        let mut difference = Self {
            before: before.revealed(),
            after: after.revealed(),
        };
        let Self { before, after } = &mut difference;
        before.retain(|field, value| after.get(field) != Some(value));
        // Both have every field.
        after.retain(|field, _| before.contains_key(field));
        for field in SettingsDocument::secret_fields() {
            for side in [&mut *before, &mut *after] {
                if let Some(Value::String(secret)) = part_mut(side, field) {
                    SHOWN.clone_into(secret);
                }
            }
        }
        for (field, after) in after {
            if let Some(before) = before.get_mut(field) {
                long_lists::shorten(before, after);
            }
        }
        Some(difference)
    }

    /// The names of the fields, in alphabetical order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.after.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The same as one text.
    pub(super) fn fields(&self) -> String {
        self.names().join(", ")
    }

    /// The entry for the audit, of this moment.
    pub(super) fn audited(self, action: &str, actor: &Actor) -> AuditEntry {
        let (before, after) = (Value::Object(self.before), Value::Object(self.after));
        actor.did(action, Some(before), Some(after))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::time::Instant;

    use super::*;
    use crate::message::Spool;
    use crate::settings::Secret;
    use crate::store::{Store, StoreError};

    #[test]
    fn a_secret_is_audited_without_its_text() {
        let with = |secret: Option<&str>| SettingsDocument {
            alert_webhook_secret: secret.map(|text| Secret::new(text.to_owned())),
            ..SettingsDocument::default()
        };
        for (before, after, expected) in [
            (None, Some("open sesame"), ("null", "\"(set)\"")),
            (
                Some("open sesame"),
                Some("another one"),
                ("\"(set)\"", "\"(set)\""),
            ),
            (Some("another one"), None, ("\"(set)\"", "null")),
        ] {
            let difference = Difference::between(&with(before), &with(after)).expect("it differs");
            assert_eq!(difference.fields(), "alert_webhook_secret");
            let (was, is) = expected;
            assert_eq!(difference.before["alert_webhook_secret"].to_string(), was);
            assert_eq!(difference.after["alert_webhook_secret"].to_string(), is);
        }
        let same = with(Some("open sesame"));
        assert_eq!(Difference::between(&same, &same), None);
    }

    #[test]
    fn a_secret_within_an_object_is_audited_without_its_text() {
        let with = |secret: &str| SettingsDocument {
            directory: crate::settings::conditions::Directory {
                bind_password: Some(Secret::new(secret.to_owned())),
                ..Default::default()
            },
            ..SettingsDocument::default()
        };
        let difference = Difference::between(&with("open sesame"), &with("another one"));
        let difference = difference.expect("it differs");
        assert_eq!(difference.fields(), "directory");
        for side in [&difference.before, &difference.after] {
            assert_eq!(side["directory"]["bind_password"], SHOWN);
        }
    }

    #[test]
    fn only_what_differs_is_audited() {
        let before = SettingsDocument::default();
        let after = SettingsDocument {
            keep_trail: false,
            retries_max: 7,
            ..SettingsDocument::default()
        };
        let difference = Difference::between(&before, &after).expect("two fields differ");
        assert_eq!(difference.fields(), "keep_trail, retries_max");
        let entry = difference.audited("settings changed", &Actor::command("test"));
        assert_eq!(
            entry.before,
            Some(serde_json::json!({"keep_trail": true, "retries_max": 0}))
        );
        assert_eq!(
            entry.after,
            Some(serde_json::json!({"keep_trail": false, "retries_max": 7}))
        );
        assert_eq!(Difference::between(&before, &before), None);
    }

    #[tokio::test]
    async fn a_change_that_nobody_waits_for_any_more_is_not_made() {
        let place = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(place.path().join("spool"), "boot").expect("a spool");
        let opened = Store::open(place.path(), &spool, Some(Timestamp::now())).await;
        let (store, writers) = opened.expect("a store");
        let settings = Settings::new(SettingsDocument::default()).expect("the defaults hold");
        let publisher = Publisher::new(settings);
        let administration = Administration::new(
            store.administration.clone(),
            publisher,
            OwnAddresses::default(),
        );
        let change = async |retries: u32, until| {
            let patch = Map::from_iter([("retries_max".to_owned(), retries.into())]);
            let actor = Actor {
                until,
                ..Actor::command("test")
            };
            administration.change(patch, actor).await
        };
        let now = Some(Instant::now());
        // Behind somebody else's change, and when it is its turn at last.
        let turn = administration.kept.turn().await;
        let behind = change(3, now).await;
        drop(turn);
        for overdue in [behind, change(4, now).await] {
            let overdue = overdue.map(drop);
            let is_overdue = matches!(
                overdue,
                Err(ChangeError::Store {
                    cause: StoreError::Overdue,
                    ..
                })
            );
            assert!(is_overdue, "{overdue:?}");
        }
        let made = change(5, Some(Instant::now() + limits::CHANGE_BEGIN_WAIT)).await;
        assert_eq!(made.expect("it is made").retries_max, 5);
        let audit = store
            .administration
            .audit_page(None, 9)
            .await
            .expect("readable");
        assert_eq!(audit.len(), 1, "{audit:?}");
        assert!(store.close(writers).await);
    }
}
