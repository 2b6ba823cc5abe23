//! A change of the OpenPGP keys of recipients.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Actor;
use super::published_store::{ChangeError, PublishedStore, ReadyChange};
use crate::limits;
use crate::openpgp::{KeptKey, Keyring, PublicKey};
use crate::settings::{FieldErrors, Publisher};
use crate::smtp::address::Mailbox;
use crate::store::{AdministrationStore, OpenPgpKeyChange};

/// As errors call them.
const NAME: &str = "OpenPGP keys";

/// The one place that changes the OpenPGP keys.
#[derive(Debug)]
pub struct OpenPgpKeys(Arc<PublishedStore<Keyring>>);

impl OpenPgpKeys {
    /// Changes what `publisher` publishes and `store` keeps.
    #[must_use]
    pub fn new(store: AdministrationStore, publisher: Publisher<Keyring>) -> Arc<Self> {
        Arc::new(Self(Arc::new(PublishedStore::new(NAME, store, publisher))))
    }

    /// The keys there are.
    #[must_use]
    pub fn keyring(&self) -> Arc<Keyring> {
        self.0.current.snapshot()
    }

    /// Adds a key, armored or binary, for these addresses and domains (`@example.net`); without any,
    /// for the addresses in its user ids. A key that is there already is replaced by its newer copy.
    /// Keys that cannot be used (now) are taken as well: that a key was revoked must not go unnoticed.
    ///
    /// # Errors
    /// When a field (`key`, `stands_for`) does not hold, or the store does not take it; nothing is
    /// changed then.
    pub async fn add(
        self: &Arc<Self>,
        given: Vec<u8>,
        stands_for: &[String],
        actor: Actor,
    ) -> Result<KeptKey, ChangeError> {
        let mut errors = FieldErrors::default();
        let names = names(stands_for, &mut errors);
        if given.len() > limits::OPENPGP_KEY_BYTES {
            let most = limits::OPENPGP_KEY_BYTES / 1_024;
            errors.add("key", format!("is larger than {most} KiB"));
            return Err(ChangeError::Invalid(errors));
        }
        // Its signatures are verified, which takes a moment.
        let read = tokio::task::spawn_blocking(move || PublicKey::read(&given)).await;
        let (key, binary) = match read.map_err(|_| ChangeError::Interrupted(NAME))? {
            Ok(read) => read,
            Err(error) => {
                errors.add("key", error.to_string());
                return Err(ChangeError::Invalid(errors));
            }
        };
        let stands_for = match names.is_empty() {
            true => key.addresses(),
            false => names,
        };
        if stands_for.is_empty() && errors.0.is_empty() {
            let problem = "the key names no address: say whom it stands for";
            errors.add("stands_for", problem);
        }
        let most = limits::OPENPGP_KEY_NAMES;
        if stands_for.len() > most {
            errors.add("stands_for", format!("must be at most {most}"));
        }
        errors.into_result()?;
        let kept = KeptKey {
            key,
            stands_for,
            created_at: Timestamp::now(),
            added_by: actor.who.clone(),
        };
        let change = OpenPgpKeyChange::Put {
            kept: kept.clone(),
            binary,
        };
        self.make(change, actor).await?;
        Ok(kept)
    }

    /// Removes a key: the next message is not encrypted to it.
    ///
    /// # Errors
    /// When there is no such key, or the store does not take it; nothing is changed then.
    pub async fn remove(
        self: &Arc<Self>,
        fingerprint: &str,
        actor: Actor,
    ) -> Result<(), ChangeError> {
        let fingerprint = fingerprint.to_owned();
        self.make(OpenPgpKeyChange::Remove { fingerprint }, actor)
            .await
    }

    async fn make(&self, change: OpenPgpKeyChange, actor: Actor) -> Result<(), ChangeError> {
        let make = |before: &Keyring, actor: &Actor| ready(change, before, actor);
        self.0.change(actor, make).await
    }
}

fn ready(
    change: OpenPgpKeyChange,
    keyring: &Keyring,
    actor: &Actor,
) -> Result<ReadyChange<OpenPgpKeyChange, Keyring>, ChangeError> {
    let (fingerprint, put) = match &change {
        OpenPgpKeyChange::Put { kept, .. } => (&kept.key.fingerprint, Some(kept)),
        OpenPgpKeyChange::Remove { fingerprint } => (fingerprint, None),
    };
    let before = keyring.key(fingerprint).map(|kept| shown(kept));
    let action = match (&before, put) {
        (None, None) => return Err(ChangeError::Unknown("OpenPGP key of this fingerprint")),
        (Some(_), None) => "OpenPGP key removed",
        (Some(_), Some(_)) => "OpenPGP key changed",
        (None, Some(_)) => {
            check_room(keyring)?;
            "OpenPGP key added"
        }
    };
    Ok(ReadyChange {
        entry: actor.did(action, before, put.map(shown)),
        after: match put {
            Some(kept) => keyring.clone().with(kept.clone()),
            None => keyring.clone().without(fingerprint),
        },
        change,
    })
}

/// Addresses and domains in lower case, each once.
fn names(given: &[String], errors: &mut FieldErrors) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for text in given
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
    {
        match name(text) {
            Some(name) if names.contains(&name) => {}
            Some(name) => names.push(name),
            None => {
                let problem = "hold addresses like anna@example.net and domains like @example.net";
                errors.add("stands_for", problem);
            }
        }
    }
    names
}

fn name(text: &str) -> Option<String> {
    let mailbox = match text.strip_prefix('@') {
        Some(domain) => Mailbox::parse(&format!("x@{domain}")).ok()?,
        None => Mailbox::parse(text).ok()?,
    };
    let name = mailbox.as_str().to_ascii_lowercase();
    let at = name.rfind('@')?;
    Some(match text.starts_with('@') {
        true => name[at..].to_owned(),
        false => name,
    })
}

fn check_room(keyring: &Keyring) -> Result<(), ChangeError> {
    let most = limits::OPENPGP_KEYS;
    if keyring.len() >= most {
        let problem = format!("there are {most} keys, which is the most");
        return Err(FieldErrors::of("key", problem).into());
    }
    Ok(())
}

/// What the audit says of a key.
fn shown(kept: &KeptKey) -> Value {
    json!({
        "fingerprint": kept.key.fingerprint,
        "user_id": kept.user_id(),
        "stands_for": kept.stands_for,
        "expires_at": kept.key.expires_at(),
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::message::Spool;
    use crate::openpgp::testing::Recipe;
    use crate::store::{Store, Writers};

    struct Scene {
        keys: Arc<OpenPgpKeys>,
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
            let publisher = Publisher::new(Keyring::default());
            Self {
                keys: OpenPgpKeys::new(store.administration.clone(), publisher),
                store,
                writers,
                directory,
            }
        }

        async fn add(&self, key: &str, stands_for: &[&str]) -> Result<KeptKey, String> {
            let names: Vec<String> = stands_for.iter().map(|name| (*name).to_owned()).collect();
            let actor = Actor::command("test");
            let added = self.keys.add(key.into(), &names, actor).await;
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
        let anna = Recipe::plain("Anna <anna@example.net>").make().armored();
        let nameless = Recipe::plain("Anna").make().armored();
        let large = "x".repeat(limits::OPENPGP_KEY_BYTES + 1);
        let many: Vec<String> = (0..101).map(|at| format!("a{at}@example.net")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (key, stands_for, field) in [
            ("", &[][..], "key"),
            ("no key", &[], "key"),
            (&large, &[], "key"),
            (&nameless, &[], "stands_for"),
            (&anna, &["anna"], "stands_for"),
            (&anna, &["@"], "stands_for"),
            (&anna, &["@example net"], "stands_for"),
            (&anna, &many, "stands_for"),
        ] {
            let refused = scene.add(key, stands_for).await;
            let message = refused.expect_err(field);
            assert!(message.starts_with(&format!("{field}: ")), "{message}");
        }
        assert!(scene.keys.keyring().is_empty());
        let stored = scene
            .store
            .administration
            .openpgp_keys()
            .await
            .expect("readable");
        assert!(stored.is_empty());
        scene.close().await;
    }

    #[tokio::test]
    async fn changes_are_stored_published_and_audited() {
        let scene = Scene::new().await;
        let anna = Recipe::plain("Anna <Anna@Example.net>").make();
        let added = scene.add(&anna.armored(), &[]).await.expect("a key");
        assert_eq!(added.stands_for, ["anna@example.net"]);
        let names = ["Anna@example.COM", " @Example.org ", "", "anna@example.com"];
        let changed = scene.add(&anna.armored(), &names).await.expect("a key");
        assert_eq!(changed.stands_for, ["anna@example.com", "@example.org"]);
        let keyring = scene.keys.keyring();
        assert_eq!(keyring.len(), 1);
        assert!(keyring.find("bert@example.org", Timestamp::now()).is_some());
        assert!(keyring.find("anna@example.net", Timestamp::now()).is_none());
        let stored = scene
            .store
            .administration
            .openpgp_keys()
            .await
            .expect("readable");
        assert_eq!(stored[0].stands_for, changed.stands_for);

        let fingerprint = &changed.key.fingerprint;
        let actor = || Actor::command("test");
        let removed = scene.keys.remove(fingerprint, actor()).await;
        assert!(removed.is_ok() && scene.keys.keyring().is_empty());
        let again = scene.keys.remove(fingerprint, actor()).await;
        assert!(matches!(again, Err(ChangeError::Unknown(_))));

        let audit = scene
            .store
            .administration
            .audit_page(None, 9)
            .await
            .expect("readable");
        let actions: Vec<_> = audit.iter().map(|item| item.action.as_str()).collect();
        let expected = [
            "OpenPGP key removed",
            "OpenPGP key changed",
            "OpenPGP key added",
        ];
        assert_eq!(actions, expected);
        scene.close().await;
    }
}
