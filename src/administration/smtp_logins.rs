//! A change of the SMTP logins.

use std::sync::Arc;

use jiff::Timestamp;
use rand::RngExt as _;
use serde_json::{Value, json};

use super::Actor;
use super::published_store::{ChangeError, PublishedStore, ReadyChange};
use crate::accounts::{LoginDirectory, Passwords, SmtpLogin};
use crate::limits;
use crate::settings::{FieldErrors, Publisher};
use crate::store::{AdministrationStore, SmtpLoginChange};

/// The one place that changes SMTP logins.
#[derive(Debug)]
pub struct SmtpLogins {
    kept: Arc<PublishedStore<LoginDirectory>>,
    passwords: Arc<Passwords>,
}

impl SmtpLogins {
    /// Changes what `publisher` publishes and `store` keeps.
    #[must_use]
    pub fn new(
        store: AdministrationStore,
        passwords: Arc<Passwords>,
        publisher: Publisher<LoginDirectory>,
    ) -> Arc<Self> {
        Arc::new(Self {
            kept: Arc::new(PublishedStore::new("SMTP logins", store, publisher)),
            passwords,
        })
    }

    /// The logins there are.
    #[must_use]
    pub fn roster(&self) -> Arc<LoginDirectory> {
        self.kept.current.snapshot()
    }

    /// Adds a login, and gives it.
    ///
    /// # Errors
    /// When a field (`name`, `password`, `note`) does not hold, or the store does not take it; nothing
    /// is changed then.
    pub async fn add(
        self: &Arc<Self>,
        name: &str,
        password: String,
        note: &str,
        actor: Actor,
    ) -> Result<SmtpLogin, ChangeError> {
        let name = name.trim().to_owned();
        let note = note.trim().to_owned();
        let mut errors = FieldErrors::default();
        check_name(&name, &self.roster(), &mut errors);
        check_note(&note, &mut errors);
        check_password(&password, &mut errors);
        errors.into_result()?;
        let login = SmtpLogin {
            name: name.into(),
            hash: self.passwords.hash(password).await?,
            note,
            created_at: this_second(),
        };
        let change = SmtpLoginChange::Add(login.clone());
        self.make(change, actor).await?;
        Ok(login)
    }

    /// Gives a login another password: the old one is wrong from the next AUTH on, and who has logged in
    /// with it may send nothing more.
    ///
    /// # Errors
    /// When there is no such login, the field `password` does not hold, or the store does not take it;
    /// nothing is changed then.
    pub async fn change_password(
        self: &Arc<Self>,
        name: &str,
        password: String,
        actor: Actor,
    ) -> Result<(), ChangeError> {
        // Before a password is hashed.
        known(&self.roster(), name)?;
        let mut errors = FieldErrors::default();
        check_password(&password, &mut errors);
        errors.into_result()?;
        let change = SmtpLoginChange::Rehash {
            name: name.to_owned(),
            hash: self.passwords.hash(password).await?,
        };
        self.make(change, actor).await
    }

    /// Removes a login: it is wrong from the next AUTH on, and who has logged in with it may send nothing
    /// more.
    ///
    /// # Errors
    /// When there is no such login, or the store does not take it; nothing is changed then.
    pub async fn remove(self: &Arc<Self>, name: &str, actor: Actor) -> Result<(), ChangeError> {
        // At once, and not after other changes have had their turn.
        known(&self.roster(), name)?;
        let name = name.to_owned();
        self.make(SmtpLoginChange::Remove { name }, actor).await
    }

    async fn make(&self, change: SmtpLoginChange, actor: Actor) -> Result<(), ChangeError> {
        let make = |before: &LoginDirectory, actor: &Actor| ready(change, before, actor);
        self.kept.change(actor, make).await
    }
}

fn known(roster: &LoginDirectory, name: &str) -> Result<Arc<SmtpLogin>, ChangeError> {
    roster
        .find(name)
        .cloned()
        .ok_or(ChangeError::Unknown("SMTP login of this name"))
}

/// What was true when the change was asked for may not be true any more.
fn ready(
    change: SmtpLoginChange,
    before: &LoginDirectory,
    actor: &Actor,
) -> Result<ReadyChange<SmtpLoginChange, LoginDirectory>, ChangeError> {
    let (after, entry) = match &change {
        SmtpLoginChange::Add(login) => {
            let mut errors = FieldErrors::default();
            check_name(&login.name, before, &mut errors);
            errors.into_result()?;
            let entry = actor.did("SMTP login added", None, Some(shown(login)));
            (before.clone().with(login.clone()), entry)
        }
        SmtpLoginChange::Rehash { name, hash } => {
            let old = known(before, name)?;
            let new = SmtpLogin {
                hash: hash.clone(),
                ..SmtpLogin::clone(&old)
            };
            let action = "SMTP login got another password";
            let after = json!({"name": &*old.name, "password": "changed"});
            let entry = actor.did(action, None, Some(after));
            (before.clone().with(new), entry)
        }
        SmtpLoginChange::Remove { name } => {
            let old = known(before, name)?;
            let entry = actor.did("SMTP login removed", Some(shown(&old)), None);
            (before.clone().without(name), entry)
        }
    };
    Ok(ReadyChange {
        change,
        entry,
        after,
    })
}

/// In whole seconds, as it is read back from the store.
fn this_second() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second())
        .expect("a second of now is within all times")
}

/// A random password of letters and digits that are not taken for one another.
#[must_use]
pub fn made_password() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..limits::MADE_PASSWORD_CHARACTERS)
        .map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]))
        .collect()
}

fn check_name(name: &str, roster: &LoginDirectory, errors: &mut FieldErrors) {
    let most = limits::SMTP_LOGIN_NAME_BYTES;
    if !(1..=most).contains(&name.len()) {
        errors.add("name", format!("must have 1 to {most} characters"));
    } else if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        errors.add(
            "name",
            "may hold letters, digits and signs of ASCII, and no space",
        );
    } else if roster.find(name).is_some() {
        errors.add("name", "there is a login of this name already");
    } else if roster.len() >= limits::SMTP_LOGINS {
        let most = limits::SMTP_LOGINS;
        errors.add(
            "name",
            format!("there are {most} logins, which is the most"),
        );
    }
}

fn check_note(note: &str, errors: &mut FieldErrors) {
    let most = limits::SMTP_LOGIN_NOTE_CHARACTERS;
    if note.chars().count() > most {
        errors.add("note", format!("must have at most {most} characters"));
    } else if note.chars().any(char::is_control) {
        errors.add("note", "must be one line of text");
    }
}

/// RFC 4616 §2: no NUL; other control characters are mistakes.
fn check_password(password: &str, errors: &mut FieldErrors) {
    const LEAST: usize = limits::SMTP_PASSWORD_CHARACTERS_MIN;
    const MOST: usize = limits::SMTP_PASSWORD_CHARACTERS_MAX;
    if !(LEAST..=MOST).contains(&password.chars().count()) {
        errors.add(
            "password",
            format!("must have {LEAST} to {MOST} characters"),
        );
    } else if password.chars().any(char::is_control) {
        errors.add("password", "may hold no control characters");
    }
}

/// What the audit may know of a login: neither the password nor its hash.
fn shown(login: &SmtpLogin) -> Value {
    json!({"name": &*login.name, "note": login.note})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Spool;
    use crate::store::{Store, StoreError, Writers};
    use tempfile::TempDir;
    use tokio::time::Instant;

    struct Scene {
        logins: Arc<SmtpLogins>,
        store: Store,
        writers: Writers,
        directory: TempDir,
    }

    impl Scene {
        async fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let spool = Spool::open(directory.path().join("spool"), "test").expect("a spool");
            let (store, writers) = Store::open(directory.path(), &spool, Some(Timestamp::now()))
                .await
                .expect("a store");
            let publisher = Publisher::new(LoginDirectory::default());
            Self {
                logins: SmtpLogins::new(store.administration.clone(), Passwords::new(), publisher),
                store,
                writers,
                directory,
            }
        }

        async fn add(&self, name: &str, password: &str, note: &str) -> Result<SmtpLogin, String> {
            let actor = Actor::command("test");
            let added = self.logins.add(name, password.into(), note, actor).await;
            added.map_err(|error| error.to_string())
        }

        async fn close(self) {
            self.store.close(self.writers).await;
            drop(self.directory);
        }
    }

    #[tokio::test]
    async fn what_does_not_hold_is_named_by_field_and_changes_nothing() {
        let scene = Scene::new().await;
        let added = scene.add(" Robot ", "open sesame", "the shop's").await;
        assert_eq!(&*added.expect("it holds").name, "Robot");
        let long = "x".repeat(201);
        for (name, password, note, field) in [
            ("", "open sesame", "", "name"),
            ("two words", "open sesame", "", "name"),
            ("rübezahl", "open sesame", "", "name"),
            (&long[..65], "open sesame", "", "name"),
            ("rOBOT", "open sesame", "", "name"),
            ("printer", "sesame7", "", "password"),
            ("printer", &long, "", "password"),
            ("printer", "open\0sesame", "", "password"),
            ("printer", "open sesame", &long, "note"),
            ("printer", "open sesame", "a\nb", "note"),
        ] {
            let refused = scene.add(name, password, note).await;
            let message = refused.expect_err(name);
            assert!(message.starts_with(&format!("{field}: ")), "{message}");
        }
        assert_eq!(scene.logins.roster().len(), 1);
        let stored = scene
            .store
            .administration
            .smtp_logins()
            .await
            .expect("readable");
        assert_eq!(stored.len(), 1);
        scene.close().await;
    }

    #[tokio::test]
    async fn changes_are_stored_published_and_audited_without_the_secret() {
        let scene = Scene::new().await;
        let logins = &scene.logins;
        let actor = || Actor::command("test");
        scene.add("Robot", "open sesame", "").await.expect("added");
        let before = logins
            .roster()
            .find("robot")
            .map(|login| login.hash.clone());
        let changed = logins.change_password("robot", "another word".into(), actor());
        assert!(changed.await.is_ok());
        let after = logins
            .roster()
            .find("robot")
            .map(|login| login.hash.clone());
        assert_ne!(before, after);
        let stored = scene
            .store
            .administration
            .smtp_logins()
            .await
            .expect("readable");
        assert_eq!(stored.first().map(|login| login.hash.clone()), after);

        let removed = logins.remove("ROBOT", actor()).await;
        assert!(removed.is_ok() && logins.roster().is_empty());
        let again = logins.remove("robot", actor()).await;
        assert!(matches!(again, Err(ChangeError::Unknown(_))));
        let changed = logins.change_password("robot", "another word".into(), actor());
        assert!(matches!(changed.await, Err(ChangeError::Unknown(_))));

        let audit = scene
            .store
            .administration
            .audit_page(None, 9)
            .await
            .expect("readable");
        let actions: Vec<_> = audit.iter().map(|item| item.action.as_str()).collect();
        assert_eq!(
            actions,
            [
                "SMTP login removed",
                "SMTP login got another password",
                "SMTP login added"
            ]
        );
        let text = format!("{audit:?}");
        assert!(
            !text.contains("sesame") && !text.contains("argon2"),
            "{text}"
        );
        scene.close().await;
    }

    #[tokio::test]
    async fn a_login_that_nobody_waits_for_any_more_is_not_added() {
        let scene = Scene::new().await;
        let actor = Actor {
            until: Some(Instant::now()),
            ..Actor::command("test")
        };
        let added = scene.logins.add("robot", "open sesame".into(), "", actor);
        let added = added.await.map(drop);
        let is_overdue = matches!(
            added,
            Err(ChangeError::Store {
                cause: StoreError::Overdue,
                ..
            })
        );
        assert!(is_overdue, "{added:?}");
        assert!(scene.logins.roster().is_empty());
        let stored = scene
            .store
            .administration
            .smtp_logins()
            .await
            .expect("readable");
        assert!(stored.is_empty());
        scene.close().await;
    }

    #[test]
    fn made_passwords_hold_and_differ() {
        let (one, other) = (made_password(), made_password());
        assert_ne!(one, other);
        for password in [one, other] {
            let mut errors = FieldErrors::default();
            check_password(&password, &mut errors);
            assert_eq!(errors, FieldErrors::default());
        }
    }
}
