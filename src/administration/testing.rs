//! What the tests of accounts share: a store in a directory of its own, and accounts over it.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::{Accounts, Actor, Login, LoginOutcome};
use crate::accounts::{AccessToken, Passwords, Role};
use crate::boot::Secret;
use crate::message::Spool;
use crate::store::{Store, Writers};

/// The one-time password of the tests.
pub(super) const ONE_TIME: &str = "the one-time password";
/// A password that holds.
pub(super) const PASSWORD: &str = "correct horse battery";
/// Where the tests' people sit.
pub(super) const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

/// Accounts over a store in a directory that goes with it.
pub(super) struct Scene {
    pub(super) accounts: Arc<Accounts>,
    pub(super) store: Store,
    writers: Writers,
    directory: TempDir,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::over(tempfile::tempdir().expect("a directory")).await
    }

    async fn over(directory: TempDir) -> Self {
        let spool = Spool::open(directory.path().join("spool"), "test").expect("a spool");
        let opened = Store::open(directory.path(), &spool, Some(noon())).await;
        let (store, writers) = opened.expect("a store");
        let given = Secret::new(ONE_TIME.to_owned());
        let accounts =
            Accounts::open(store.administration.clone(), Passwords::new(), Some(&given)).await;
        Self {
            accounts: accounts.expect("readable"),
            store,
            writers,
            directory,
        }
    }

    /// Closes the store and opens it again.
    pub(super) async fn restart(self) -> Self {
        assert!(self.store.close(self.writers).await, "it closes in time");
        Self::over(self.directory).await
    }

    /// Closes the store under the accounts: nothing can be looked up any more.
    pub(super) async fn without_store(self) -> Arc<Accounts> {
        assert!(self.store.close(self.writers).await, "it closes in time");
        self.accounts
    }

    /// An account with the password that holds.
    pub(super) async fn account(&self, name: &str, role: Role) {
        let actor = Actor::command("test");
        let made = self.accounts.create(name, role, PASSWORD.into(), &actor);
        made.await.expect("made");
    }

    /// A session of an account that asks for no code.
    pub(super) async fn log_in(&self, name: &str, now: Timestamp) -> Login {
        match self.enter(name, PASSWORD, now).await {
            LoginOutcome::Entered(entered) => self.login(&entered, now).await.expect("it lasts"),
            LoginOutcome::CodeNeeded(_) => panic!("{name} needs a code"),
        }
    }

    /// The first step of logging in, which must succeed. Each comes from another address.
    pub(super) async fn enter(&self, name: &str, password: &str, now: Timestamp) -> LoginOutcome {
        let address = IpAddr::V4(rand::random::<u32>().into());
        let entered = self.accounts.log_in(name, password.into(), address, now);
        entered.await.expect("the password holds")
    }

    /// Whose session it is, while it lasts.
    pub(super) async fn login(&self, entered: &AccessToken, now: Timestamp) -> Option<Login> {
        let session = self.accounts.session(&entered.hash(), now).await;
        session.expect("readable").map(|session| Login {
            account: session.account,
            session: session.token,
        })
    }

    /// Whether a session still lasts.
    pub(super) async fn lasts(&self, login: Login, now: Timestamp) -> bool {
        let session = self.accounts.session(&login.session, now).await;
        session.expect("readable").is_some()
    }

    /// What was audited, the newest first, as text.
    pub(super) async fn audit(&self) -> Vec<String> {
        let page = self.store.administration.audit_page(None, 1_000).await;
        let items = page.expect("readable").into_iter();
        items
            .map(|item| {
                let object = |value: Option<serde_json::Value>| {
                    value.map_or_else(String::new, |value| value.to_string())
                };
                let (before, after) = (object(item.before), object(item.after));
                format!("{}: {} {before}>{after}", item.who, item.action)
            })
            .collect()
    }
}

/// The tests' noon.
pub(super) fn noon() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

/// So many seconds after noon.
pub(super) fn after(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

/// An administrator in the browser.
pub(super) fn actor(name: &str) -> Actor {
    Actor {
        who: name.to_owned(),
        from: Some(ADDRESS),
        until: None,
    }
}
