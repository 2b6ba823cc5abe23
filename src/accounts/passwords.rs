//! Passwords: hashed and checked a few at a time, on threads that may block.
//!
//! argon2 is slow and wants much memory by design. Without a bound a handful of strangers at the login
//! page could take both from the mail.

use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::limits;

/// Too many passwords are being checked; nothing was said about this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked; try again in a moment")]
pub struct Busy;

/// The place where passwords are hashed and checked.
#[derive(Debug)]
pub struct Passwords {
    places: Arc<Semaphore>,
    /// Checked in place of the hash of an account that does not exist.
    decoy: LazyLock<String>,
}

impl Passwords {
    /// With room for [`limits::PASSWORDS_AT_ONCE`].
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(limits::PASSWORDS_AT_ONCE)),
            decoy: LazyLock::new(|| hash("a decoy")),
        })
    }

    /// The hash of a password, as it is stored: with parameters and salt (PHC string format).
    ///
    /// # Errors
    /// When no place is free in time.
    pub async fn hash(self: &Arc<Self>, password: String) -> Result<String, Busy> {
        self.run(move |_| hash(&password)).await
    }

    /// Whether `password` is the one of `hash`. None is for an account that does not exist: it is
    /// as much work, so that the time does not reveal which accounts there are.
    ///
    /// # Errors
    /// When no place is free in time.
    pub async fn verify(
        self: &Arc<Self>,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Busy> {
        self.run(move |passwords| match hash {
            Some(hash) => verify(&password, &hash),
            None => {
                verify(&password, &passwords.decoy);
                false
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let places = Arc::clone(&self.places);
        let place = timeout(limits::PASSWORD_WAIT, places.acquire_owned())
            .await
            .map_err(|_| Busy)?
            .expect("the semaphore is never closed");
        let passwords = Arc::clone(self);
        // The work holds its place itself: it goes on when its caller has gone.
        let work = move || {
            let _place = place;
            work(&passwords)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

fn hash(password: &str) -> String {
    Argon2::default()
        .hash_password(password.as_bytes())
        .expect("the default parameters hold and the salt comes from the system")
        .to_string()
}

fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_passes() {
        let passwords = Passwords::new();
        let hash = passwords.hash("open sesame".into()).await.expect("a place");
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        for (password, hash, expected) in [
            ("open sesame", Some(hash.clone()), true),
            ("open sesam", Some(hash.clone()), false),
            ("", Some(hash), false),
            ("open sesame", Some("no hash".into()), false),
            ("a decoy", None, false),
        ] {
            let passes = passwords.verify(password.into(), hash).await;
            assert_eq!(passes, Ok(expected), "{password}");
        }
    }
}
