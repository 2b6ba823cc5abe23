//! Whether an SMTP login is right: argon2 decides once, and a keyed hash remembers for a while.
//!
//! A client that sends mail logs in for every connection; with argon2 each time, some dozens a second
//! would take the whole machine. What was verified is kept as an HMAC over name, password and stored
//! hash with a key that lives as long as the process: it is worth nothing outside, and a changed
//! password matches no more.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use moka::sync::Cache;
use tokio::time::timeout;
use tracing::info;

use super::login_directory::{LoginDirectory, SmtpLogin};
use super::wrong_logins::WrongLogins;
use super::{Busy, Passwords, bounded_cache};
use crate::clients::Network;
use crate::limits;
use crate::settings::Current;

/// Why a login was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpAuthError {
    /// There is no such login, or this is not its password.
    #[error("wrong name or password")]
    Wrong,
    /// Too many were wrong of late; nothing was said about this one.
    #[error("too many wrong logins")]
    TooMany,
    /// No place to check it was free in time.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// Where SMTP logins are checked.
pub struct Logins {
    passwords: Arc<Passwords>,
    roster: Current<LoginDirectory>,
    key: hmac::Key,
    verified: Cache<Proof, ()>,
    wrong: WrongLogins,
}

/// The keyed hash of a login that was right.
type Proof = [u8; 32];

/// A login that was right: its session may send for as long as it holds. See
/// [`Logins::holds`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownLogin {
    login: Arc<SmtpLogin>,
    /// The [`Current::generation`] in which it held.
    held_in: u64,
}

impl ShownLogin {
    /// Its name as the administrator wrote it.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.login.name
    }
}

impl Logins {
    /// Checks against the logins of `roster`, as they are at the moment of each check.
    #[must_use]
    pub fn new(passwords: Arc<Passwords>, roster: Current<LoginDirectory>) -> Arc<Self> {
        let mut key = Proof::default();
        aws_lc_rs::rand::fill(&mut key).expect("the system gives random bytes");
        Arc::new(Self {
            passwords,
            roster,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            verified: bounded_cache(limits::VERIFIED_LOGINS, limits::VERIFIED_LOGIN_LIFE),
            wrong: WrongLogins::new(),
        })
    }

    /// There is at least one, so that it makes sense to ask for it.
    #[must_use]
    pub fn exist(&self) -> bool {
        !self.roster.snapshot().is_empty()
    }

    /// Whether a login that was right still is the same: neither removed nor given another password.
    /// Costs nothing while no login was changed.
    #[must_use]
    pub fn holds(&self, shown: &mut ShownLogin) -> bool {
        let generation = self.roster.generation();
        if shown.held_in == generation {
            return true;
        }
        let present = self.find(&shown.login.name);
        let holds = present.is_some_and(|present| present.hash == shown.login.hash);
        if holds {
            shown.held_in = generation;
        }
        holds
    }

    /// Whether `password` is the one of the login `name`, which a client at `address` says it is. Takes no
    /// longer than [`limits::LOGIN_WAIT`].
    ///
    /// # Errors
    /// When it is not, or when that was not checked.
    pub async fn verify(
        &self,
        name: &str,
        password: String,
        address: IpAddr,
    ) -> Result<ShownLogin, SmtpAuthError> {
        let check = self.check(name, password, Network::of(address));
        let checked = timeout(limits::LOGIN_WAIT, check).await;
        let checked = checked.unwrap_or(Err(SmtpAuthError::Busy(Busy)));
        if let Err(error) = &checked {
            let login = loggable(name);
            info!(client = %address, login, %error, "an SMTP login was not taken");
        }
        checked
    }

    async fn check(
        &self,
        name: &str,
        password: String,
        origin: Network,
    ) -> Result<ShownLogin, SmtpAuthError> {
        let guesser = self.wrong.guesser(origin);
        // Before the memory is asked, or it could be used to guess at full speed.
        let known = || {
            let may_try = self.wrong.may_try(&guesser, name, origin);
            may_try.then(|| self.remembered(name, &password))
        };
        if let Some(known) = known().ok_or(SmtpAuthError::TooMany)? {
            return Ok(known);
        }
        let _turn = guesser.turn().await;
        // The one before us may have been the same login, or the last guess.
        if let Some(known) = known().ok_or(SmtpAuthError::TooMany)? {
            return Ok(known);
        }
        let held_in = self.roster.generation();
        let login = self.find(name);
        let hash = login.as_ref().map(|login| login.hash.clone());
        let right = self.passwords.verify(password.clone(), hash).await?;
        match login {
            // It may have been changed or removed meanwhile.
            Some(login) if right && self.find(name).as_ref() == Some(&login) => {
                self.verified.insert(self.proof(&login, &password), ());
                self.wrong.was_right(name, origin);
                Ok(ShownLogin { login, held_in })
            }
            _ => {
                self.wrong.was_wrong(&guesser, name);
                Err(SmtpAuthError::Wrong)
            }
        }
    }

    fn find(&self, name: &str) -> Option<Arc<SmtpLogin>> {
        self.roster.snapshot().find(name).cloned()
    }

    /// The login, when this very password was right a short while ago.
    fn remembered(&self, name: &str, password: &str) -> Option<ShownLogin> {
        let held_in = self.roster.generation();
        let login = self.find(name)?;
        let is_known = self.verified.contains_key(&self.proof(&login, password));
        is_known.then_some(ShownLogin { login, held_in })
    }

    fn proof(&self, login: &SmtpLogin, password: &str) -> Proof {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [&*login.name, &login.hash, password] {
            // With its length, so that no part can reach into the next one.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut proof = Proof::default();
        proof.copy_from_slice(context.sign().as_ref());
        proof
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(logins)")
    }
}

/// A name as it may be logged. Others may be anything, even the password.
fn loggable(name: &str) -> &str {
    let plausible = name.len() <= limits::SMTP_LOGIN_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    if plausible { name } else { "(not a name)" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Publisher;
    use jiff::Timestamp;

    const HERE: &str = "192.0.2.1";

    struct Scene {
        logins: Arc<Logins>,
        passwords: Arc<Passwords>,
        publisher: Publisher<LoginDirectory>,
    }

    impl Scene {
        async fn new() -> Self {
            let passwords = Passwords::new();
            let publisher = Publisher::new(LoginDirectory::default());
            let logins = Logins::new(Arc::clone(&passwords), publisher.current());
            let scene = Self {
                logins,
                passwords,
                publisher,
            };
            scene.set("Robot", "open sesame").await;
            scene
        }

        async fn set(&self, name: &str, password: &str) {
            let hash = self.passwords.hash(password.into()).await;
            let login = SmtpLogin {
                name: name.into(),
                hash: hash.expect("a place"),
                note: String::new(),
                created_at: Timestamp::UNIX_EPOCH,
            };
            self.publisher.publish(self.roster().with(login));
        }

        fn roster(&self) -> LoginDirectory {
            LoginDirectory::clone(&self.publisher.current().snapshot())
        }

        async fn ask(&self, name: &str, password: &str) -> Result<String, SmtpAuthError> {
            let address = HERE.parse().expect("an address");
            let verified = self.logins.verify(name, password.into(), address).await;
            verified.map(|shown| shown.name().to_string())
        }
    }

    #[tokio::test]
    async fn a_login_that_was_right_holds_until_it_is_changed() {
        let scene = Scene::new().await;
        let address = HERE.parse().expect("an address");
        let show = async |password: &str| {
            let verified = scene.logins.verify("robot", password.into(), address);
            verified.await.expect("it is right")
        };
        let mut first = show("open sesame").await;
        // From the memory, which must not make it hold for longer.
        let mut second = show("open sesame").await;
        let holds = |shown: &mut ShownLogin| scene.logins.holds(shown);
        assert!(holds(&mut first) && holds(&mut second));
        scene.set("printer", "of no concern").await;
        assert!(holds(&mut first) && holds(&mut second));
        // The same password again is another login all the same: the old one was revoked.
        scene.set("ROBOT", "open sesame").await;
        assert!(!holds(&mut first) && !holds(&mut second));
        let mut third = show("open sesame").await;
        assert!(holds(&mut third));
        scene.publisher.publish(scene.roster().without("robot"));
        assert!(!holds(&mut third) && !holds(&mut first));
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_login_is_taken_and_changes_are_in_force_at_once() {
        let scene = Scene::new().await;
        let right = Ok("Robot".to_owned());
        let wrong = Err(SmtpAuthError::Wrong);
        // Twice, since the second answer may come from the memory.
        for _ in 0..2 {
            assert_eq!(scene.ask("robot", "open sesame").await, right);
            assert_eq!(scene.ask("robot", "open sesam").await, wrong);
            assert_eq!(scene.ask("printer", "open sesame").await, wrong);
        }
        scene.set("ROBOT", "another word").await;
        assert_eq!(scene.ask("robot", "open sesame").await, wrong);
        let renamed = scene.ask("robot", "another word").await;
        assert_eq!(renamed, Ok("ROBOT".to_owned()));
        scene.publisher.publish(scene.roster().without("robot"));
        assert_eq!(scene.ask("robot", "another word").await, wrong);
        assert!(!scene.logins.exist());
    }

    #[tokio::test]
    async fn sessions_of_one_client_may_all_log_in_at_once() {
        let scene = Scene::new().await;
        let sessions = limits::SESSIONS_PER_CLIENT;
        let asked = (0..sessions).map(|_| scene.ask("robot", "open sesame"));
        let answers = futures_util::future::join_all(asked).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        scene.logins.verified.run_pending_tasks();
        assert_eq!(scene.logins.verified.entry_count(), 1);
    }

    #[tokio::test]
    async fn the_memory_cannot_be_used_to_guess() {
        let scene = Scene::new().await;
        assert!(scene.ask("robot", "open sesame").await.is_ok());
        let guesser = scene
            .logins
            .wrong
            .guesser(Network::of(HERE.parse().expect("an address")));
        for _ in 0..limits::WRONG_LOGINS_PER_CLIENT {
            scene.logins.wrong.was_wrong(&guesser, "somebody");
        }
        assert_eq!(
            scene.ask("robot", "open sesame").await,
            Err(SmtpAuthError::TooMany)
        );
        let elsewhere = "198.51.100.1".parse().expect("an address");
        let verified = scene
            .logins
            .verify("robot", "open sesame".into(), elsewhere);
        assert!(verified.await.is_ok());
    }

    #[test]
    fn the_log_gets_names_only() {
        for (name, expected) in [
            ("robot", "robot"),
            ("a b", "(not a name)"),
            ("a\nb", "(not a name)"),
            ("ü", "(not a name)"),
        ] {
            assert_eq!(loggable(name), expected);
        }
    }
}
