//! What is kept in the store and published to the program: changed one change after the other, stored with its entry
//! in the audit, and then published.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use tracing::info;

use super::Actor;
use crate::accounts::AuditEntry;
use crate::settings::{Current, Publisher};
use crate::store::{AdministrationStore, AuditedChange, StoreError};

/// A value of this kind.
#[derive(Debug)]
pub(super) struct PublishedStore<T, S = ()> {
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

/// The task that makes a change died.
#[derive(Debug)]
pub(super) struct Interrupted;

impl<T: fmt::Debug + Send + Sync + 'static, S: Default + Send + 'static> PublishedStore<T, S> {
    /// What `store` keeps and `publisher` publishes.
    pub(super) fn new(store: AdministrationStore, publisher: Publisher<T>) -> Self {
        Self {
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

    /// Stores a change and publishes it. Its caller has the turn.
    pub(super) async fn put<C: AuditedChange>(
        &self,
        ready: ReadyChange<C, T>,
    ) -> Result<(), StoreError> {
        self.store.change(ready.change, ready.entry).await?;
        self.publish(ready.after);
        Ok(())
    }

    /// Publishes what is stored already.
    pub(super) fn publish(&self, value: T) {
        self.publisher.publish(value);
    }

    /// Makes a change of the value as it is when it is this change's turn.
    pub(super) async fn change<C, E>(
        self: &Arc<Self>,
        actor: Actor,
        make: impl FnOnce(&T, &Actor) -> Result<ReadyChange<C, T>, E> + Send + 'static,
    ) -> Result<(), E>
    where
        C: AuditedChange,
        E: From<StoreError> + From<Interrupted> + Send + 'static,
    {
        let kept = Arc::clone(self);
        on_its_own_task(async move {
            let _turn = actor.in_time(kept.turn()).await?;
            let ready = make(&kept.current.snapshot(), &actor)?;
            let action = ready.entry.action.clone();
            kept.put(ready).await?;
            info!(%actor, "{action}");
            Ok(())
        })
        .await
    }
}

/// A request that is given up half-way must not leave a change that is stored but not in force.
pub(super) async fn on_its_own_task<T, E>(
    change: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Interrupted> + Send + 'static,
{
    tokio::spawn(change)
        .await
        .unwrap_or_else(|_| Err(E::from(Interrupted)))
}
