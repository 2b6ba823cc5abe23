//! A change of the settings.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Actor;
use super::settings_check::{self, OpenRelay};
use super::written_names::Ourselves;
use crate::limits;
use crate::settings::{Current, FieldErrors, Publisher, SHOWN, Settings, Written, part_mut};
use crate::store::{AuditEntry, Store, StoreError};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Fields do not hold.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// It could not be stored; the settings are what they were.
    #[error("the settings were not stored: {0}")]
    Store(#[from] StoreError),
    /// The task that stores it died.
    #[error("the settings were not stored")]
    Interrupted,
}

/// The one place that changes settings.
#[derive(Debug)]
pub struct Administration {
    store: Store,
    publisher: Publisher,
    current: Current,
    ourselves: Ourselves,
    /// One change at a time: each builds on the one before.
    turn: Mutex<()>,
}

impl Administration {
    /// Changes what `publisher` publishes and `store` keeps; no next hop may be `ourselves`.
    #[must_use]
    pub fn new(store: Store, publisher: Publisher, ourselves: Ourselves) -> Arc<Self> {
        Arc::new(Self {
            store,
            ourselves,
            current: publisher.current(),
            publisher,
            turn: Mutex::new(()),
        })
    }

    /// The current settings.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.current.snapshot()
    }

    /// The settings, for whoever needs them again and again.
    #[must_use]
    pub fn current(&self) -> Current {
        self.current.clone()
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
        // On a task of its own: a request that is given up half-way must not leave settings that are
        // stored but not in force.
        let administration = Arc::clone(self);
        tokio::spawn(async move { administration.apply(patch, open_relay, &actor).await })
            .await
            .unwrap_or(Err(ChangeError::Interrupted))
    }

    async fn apply(
        &self,
        patch: impl FnOnce(&Settings) -> Result<Map<String, Value>, FieldErrors>,
        open_relay: OpenRelay,
        actor: &Actor,
    ) -> Result<Arc<Settings>, ChangeError> {
        let _turn = self.turn.lock().await;
        // A command may have stored others a moment ago, which this change must not undo.
        self.take_over_stored().await;
        let before = self.current.snapshot();
        let patch = patch(&before).map_err(ChangeError::Invalid)?;
        let after = before.patched(&patch).map_err(ChangeError::Invalid)?;
        let Some(difference) = Difference::between(before.written(), after.written()) else {
            return Ok(before);
        };
        let (old, new) = (before.written(), after.written());
        settings_check::check(old, new, open_relay, &self.ourselves)
            .await
            .map_err(ChangeError::Invalid)?;
        let fields = difference.fields();
        let entry = difference.audited("settings changed", actor);
        self.store.save_settings(after.written(), entry).await?;
        self.publisher.publish(after);
        info!(%fields, %actor, "settings changed");
        Ok(self.current.snapshot())
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
            match self.store.settings_text().await {
                Ok(text) if text != seen => {
                    let _turn = self.turn.lock().await;
                    self.take_over_stored().await;
                    seen = text;
                }
                Ok(_) => {}
                Err(error) => warn!(%error, "the stored settings were not looked at"),
            }
        }
    }

    /// The caller has the turn.
    async fn take_over_stored(&self) {
        let stored = match self.store.load_settings().await {
            Ok(Some(stored)) => stored,
            Ok(None) => return,
            Err(error) => {
                warn!(%error, "the settings stay as they are");
                return;
            }
        };
        let current = self.current.snapshot();
        if stored == *current.written() {
            return;
        }
        let fields = Difference::between(current.written(), &stored)
            .unwrap_or_default()
            .fields();
        match Settings::new(stored) {
            Ok(settings) => {
                self.publisher.publish(settings);
                info!(%fields, "settings taken over that a command stored");
            }
            Err(errors) => warn!(%errors, "the stored settings do not hold; they stay as they are"),
        }
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
    pub(super) fn between(before: &Written, after: &Written) -> Option<Self> {
        let mut difference = Self {
            before: before.revealed(),
            after: after.revealed(),
        };
        let Self { before, after } = &mut difference;
        let old = before.clone();
        before.retain(|field, value| after.get(field) != Some(value));
        after.retain(|field, value| old.get(field) != Some(value));
        for field in Written::secret_fields() {
            for side in [&mut *before, &mut *after] {
                if let Some(Value::String(secret)) = part_mut(side, field) {
                    SHOWN.clone_into(secret);
                }
            }
        }
        (!difference.after.is_empty()).then_some(difference)
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

pub(super) fn fields_of(written: &Written) -> Map<String, Value> {
    match serde_json::to_value(written) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("the settings are an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::WriteOnly;

    #[test]
    fn a_secret_is_audited_without_its_text() {
        let with = |secret: Option<&str>| Written {
            alert_webhook_secret: secret.map(|text| WriteOnly::new(text.to_owned())),
            ..Written::default()
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
        let with = |secret: &str| Written {
            directory: crate::settings::conditions::Directory {
                bind_password: Some(WriteOnly::new(secret.to_owned())),
                ..Default::default()
            },
            ..Written::default()
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
        let before = Written::default();
        let after = Written {
            keep_trail: false,
            retries_max: 7,
            ..Written::default()
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
}
