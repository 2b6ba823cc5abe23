//! The connections of one next hop: how many there may be, and those that wait for the next message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::connection::ServerConnection;
use crate::limits;
use crate::settings::TlsPolicy;

#[derive(Debug)]
pub(super) struct Pool {
    /// One permit for each connection that may be in use.
    permits: Arc<Semaphore>,
    shelf: Mutex<Shelf>,
    /// Connections that exist, in use or idle.
    pub(super) open: Arc<AtomicU32>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// The one that came back last is last, and is taken first: the others get a chance to expire.
    idle: Vec<Idle>,
    /// How many connections there may be: the permits that exist.
    size: usize,
    /// Nothing is put here any more.
    closed: bool,
}

#[derive(Debug)]
struct Idle {
    connection: ServerConnection,
    since: Instant,
}

impl Idle {
    fn is_expired(&self, now: Instant) -> bool {
        now >= self.since + limits::CONNECTION_IDLE
            || now >= self.connection.opened_at + limits::CONNECTION_AGE
    }
}

/// The right to use one connection, given back when dropped.
pub(super) type Room = OwnedSemaphorePermit;

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(0)),
            shelf: Mutex::default(),
            open: Arc::default(),
        }
    }

    /// Waits for the right to use a connection, while there may be `connections_max`; none when that
    /// takes longer than `wait`.
    pub(super) async fn room(&self, connections_max: u32, wait: Duration) -> Option<Room> {
        self.resize(connections_max.max(1) as usize);
        let permits = Arc::clone(&self.permits);
        match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => timeout(wait, permits.acquire_owned()).await.ok()?.ok(),
        }
    }

    /// The bound is a setting: what is in use beyond a lower one is let go as it comes back.
    fn resize(&self, wanted: usize) {
        let mut shelf = self.shelf.lock();
        if wanted > shelf.size {
            self.permits.add_permits(wanted - shelf.size);
            shelf.size = wanted;
        } else if wanted < shelf.size {
            shelf.size -= self.permits.forget_permits(shelf.size - wanted);
        }
    }

    /// An idle connection that was opened under this policy and seems to be alive.
    pub(super) fn take_idle(&self, policy: TlsPolicy, now: Instant) -> Option<ServerConnection> {
        loop {
            let mut idle = {
                let mut shelf = self.shelf.lock();
                let fits = |idle: &Idle| idle.connection.policy == policy;
                let position = shelf.idle.iter().rposition(fits)?;
                shelf.idle.remove(position)
            };
            if !idle.is_expired(now) && idle.connection.is_settled() {
                return Some(idle.connection);
            }
        }
    }

    /// Before a connection is opened: closes the oldest idle one (of another policy, or there would be
    /// no need to open one) when there would be too many otherwise.
    pub(super) fn make_way(&self) {
        let mut shelf = self.shelf.lock();
        let in_use = shelf.size.saturating_sub(self.permits.available_permits());
        if !shelf.idle.is_empty() && shelf.idle.len() + in_use > shelf.size {
            shelf.idle.remove(0);
        }
    }

    /// Keeps a connection for the next message, unless something is left over from the last one.
    pub(super) fn give_back(&self, mut connection: ServerConnection) {
        if !connection.is_settled() {
            tracing::info!(address = %connection.peer,
                "a server says more than it was asked for: the connection is not used again");
            return;
        }
        connection.reused = true;
        let since = Instant::now();
        let idle = Idle { connection, since };
        let mut shelf = self.shelf.lock();
        if !shelf.closed && !idle.is_expired(since) {
            shelf.idle.push(idle);
        }
    }

    /// Closes the idle connections: one of their age was found dead.
    pub(super) fn discard_idle(&self) {
        let idle = std::mem::take(&mut self.shelf.lock().idle);
        drop(idle);
    }

    /// Takes out the connections that were idle for too long, so that somebody takes leave on them.
    pub(super) fn expired(&self, now: Instant) -> Vec<ServerConnection> {
        let mut shelf = self.shelf.lock();
        let expired = shelf.idle.extract_if(.., |idle| idle.is_expired(now));
        expired.map(|idle| idle.connection).collect()
    }

    /// Takes out all idle connections and keeps none from now on.
    pub(super) fn close(&self) -> Vec<ServerConnection> {
        let mut shelf = self.shelf.lock();
        shelf.closed = true;
        shelf.idle.drain(..).map(|idle| idle.connection).collect()
    }

    /// Connections that exist now.
    pub(super) fn open_connections(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TIME: Duration = Duration::ZERO;

    #[tokio::test]
    async fn the_bound_follows_the_setting() {
        let pool = Pool::new();
        let first = pool.room(1, NO_TIME).await.expect("there is room for one");
        assert!(pool.room(1, NO_TIME).await.is_none());
        let second = pool.room(2, NO_TIME).await.expect("there is room for two");
        assert!(pool.room(2, NO_TIME).await.is_none());
        drop((first, second));
        let _only = pool.room(1, NO_TIME).await.expect("both came back");
        assert!(pool.room(1, NO_TIME).await.is_none());
    }

    #[tokio::test]
    async fn a_freed_connection_ends_the_wait() {
        let pool = Arc::new(Pool::new());
        let room = pool.room(1, NO_TIME).await.expect("there is room for one");
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.room(1, Duration::from_secs(60)).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(room);
        assert!(waiting.await.expect("it does not panic"));
    }
}
