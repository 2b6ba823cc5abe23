//! What is kept in the store and published to the program: changed one change after the other, stored with its entry
//! in the audit, and then published.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout_at;
use tracing::info;

use super::Actor;
use crate::accounts::{AuditEntry, Busy};
use crate::settings::{Current, FieldErrors, Publisher};
use crate::store::{AdministrationStore, AuditedChange, StoreError};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Fields do not hold.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// What is to be changed is not there.
    #[error("there is no {0}")]
    Unknown(&'static str),
    /// The password could not be hashed now.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It could not be stored; everything is what it was.
    #[error("the {kept} were not stored: {cause}")]
    Store {
        /// What would have been changed.
        kept: &'static str,
        /// Why not.
        cause: StoreError,
    },
    /// The task that makes it died.
    #[error("the {0} were not stored")]
    Interrupted(&'static str),
}

/// A value of this kind.
#[derive(Debug)]
pub(super) struct PublishedStore<T, S = ()> {
    /// What it is called, in the plural.
    name: &'static str,
    pub(super) store: AdministrationStore,
    publisher: Publisher<T>,
    pub(super) current: Current<T>,
    /// One change at a time: each builds on the one before. Holds what is known between two changes.
    turn: Mutex<S>,
}

/// A change that is ready: how it is stored and audited, and the value that it leads to.
pub(super) struct ReadyChange<C, T> {
    pub(super) change: C,
    pub(super) entry: AuditEntry,
    pub(super) after: T,
}

impl<T: fmt::Debug + Send + Sync + 'static, S: Default + Send + 'static> PublishedStore<T, S> {
    /// What `store` keeps and `publisher` publishes.
    pub(super) fn new(
        name: &'static str,
        store: AdministrationStore,
        publisher: Publisher<T>,
    ) -> Self {
        Self {
            name,
            store,
            current: publisher.current(),
            publisher,
            turn: Mutex::default(),
        }
    }

    /// Waits until no other change is under way.
    pub(super) async fn turn(&self) -> MutexGuard<'_, S> {
        self.turn.lock().await
    }

    /// The same for a change of theirs, for as long as they wait.
    pub(super) async fn turn_of(&self, actor: &Actor) -> Result<MutexGuard<'_, S>, ChangeError> {
        let Some(until) = actor.until else {
            return Ok(self.turn().await);
        };
        let turn = timeout_at(until, self.turn()).await;
        turn.map_err(|_| self.not_stored(StoreError::Overdue))
    }

    /// Stores a change and publishes it. Its caller has the turn.
    pub(super) async fn put<C: AuditedChange>(
        &self,
        ready: ReadyChange<C, T>,
    ) -> Result<(), ChangeError> {
        let stored = self.store.change(ready.change, ready.entry).await;
        stored.map_err(|cause| self.not_stored(cause))?;
        self.publish(ready.after);
        Ok(())
    }

    pub(super) fn not_stored(&self, cause: StoreError) -> ChangeError {
        let kept = self.name;
        ChangeError::Store { kept, cause }
    }

    /// Publishes what is stored already.
    pub(super) fn publish(&self, value: T) {
        self.publisher.publish(value);
    }

    /// Makes a change of the value as it is when it is this change's turn.
    pub(super) async fn change<C: AuditedChange>(
        self: &Arc<Self>,
        actor: Actor,
        make: impl FnOnce(&T, &Actor) -> Result<ReadyChange<C, T>, ChangeError> + Send + 'static,
    ) -> Result<(), ChangeError> {
        let kept = Arc::clone(self);
        self.on_its_own_task(async move {
            let _turn = kept.turn_of(&actor).await?;
            let ready = make(&kept.current.snapshot(), &actor)?;
            let action = ready.entry.action.clone();
            kept.put(ready).await?;
            info!(%actor, "{action}");
            Ok(())
        })
        .await
    }

    /// A request that is given up half-way must not leave a change that is stored but not in force.
    pub(super) async fn on_its_own_task<R: Send + 'static>(
        &self,
        change: impl Future<Output = Result<R, ChangeError>> + Send + 'static,
    ) -> Result<R, ChangeError> {
        let made = tokio::spawn(change).await;
        made.unwrap_or(Err(ChangeError::Interrupted(self.name)))
    }
}
