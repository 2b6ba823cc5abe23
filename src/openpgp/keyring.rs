//! The keys that are kept, by the addresses that they are for: one immutable value, published through a watch
//! channel, so that a change is in force for the next message.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::key::{EncryptionKey, PublicKey};
use crate::limits;

/// A key as it is looked up.
#[derive(Clone, Debug)]
pub struct KeptKey {
    /// What can be encrypted to.
    pub key: PublicKey,
    /// Addresses, and domains as `@example.net`, in lower case.
    pub stands_for: Vec<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// The account that added it.
    pub added_by: String,
}

/// All keys.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    by_fingerprint: BTreeMap<String, Arc<KeptKey>>,
    /// The one that was added last comes first.
    by_name: HashMap<String, Vec<Arc<KeptKey>>>,
}

impl KeptKey {
    /// Its primary user id, as it is shown: one line of bounded length.
    #[must_use]
    pub fn user_id(&self) -> String {
        let first = self.key.user_ids.first().map_or("", String::as_str);
        let characters = first.chars().filter(|character| !character.is_control());
        characters
            .take(limits::OPENPGP_USER_ID_CHARACTERS)
            .collect()
    }
}

impl Keyring {
    /// The keys with these.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = KeptKey>) -> Self {
        keys.into_iter().fold(Self::default(), Self::with)
    }

    /// The key to encrypt to for a recipient at `now`: one for the address, else one for its domain.
    /// Keys that cannot be used count as none.
    #[must_use]
    pub fn find(&self, address: &str, now: Timestamp) -> Option<(&Arc<KeptKey>, &EncryptionKey)> {
        let address = address.to_ascii_lowercase();
        let domain = &address[address.rfind('@')?..];
        let kept = |name: &str| self.by_name.get(name).into_iter().flatten();
        let mut keys = kept(&address).chain(kept(domain));
        keys.find_map(|kept| Some((kept, kept.key.encryption_key(now)?)))
    }

    /// The key of this fingerprint.
    #[must_use]
    pub fn key(&self, fingerprint: &str) -> Option<&Arc<KeptKey>> {
        self.by_fingerprint.get(fingerprint)
    }

    /// All of them, by fingerprint.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &KeptKey> {
        self.by_fingerprint.values().map(Arc::as_ref)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_fingerprint.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_fingerprint.is_empty()
    }

    /// With this key in the place of an older copy of it.
    #[must_use]
    pub fn with(self, key: KeptKey) -> Self {
        let mut keyring = self.without(&key.key.fingerprint);
        let key = Arc::new(key);
        for name in &key.stands_for {
            let keys = keyring.by_name.entry(name.clone()).or_default();
            let place = keys.partition_point(|other| other.created_at > key.created_at);
            keys.insert(place, Arc::clone(&key));
        }
        let fingerprint = key.key.fingerprint.clone();
        keyring.by_fingerprint.insert(fingerprint, key);
        keyring
    }

    /// Without the key of this fingerprint.
    #[must_use]
    pub fn without(mut self, fingerprint: &str) -> Self {
        let Some(gone) = self.by_fingerprint.remove(fingerprint) else {
            return self;
        };
        for name in &gone.stands_for {
            if let Some(keys) = self.by_name.get_mut(name) {
                keys.retain(|key| !Arc::ptr_eq(key, &gone));
                if keys.is_empty() {
                    self.by_name.remove(name);
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Recipe;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn a_key_is_found_by_address_then_by_domain() {
        let now = Timestamp::now();
        let anna = Recipe::plain("anna")
            .make()
            .kept(&["anna@example.net"], at(1));
        let all = Recipe::plain("all").make();
        let all = all.kept(&["@example.net", "@example.com"], at(2));
        let keyring = Keyring::new([anna.clone(), all.clone()]);
        for (address, expected) in [
            ("anna@example.net", Some(&anna)),
            ("ANNA@Example.NET", Some(&anna)),
            ("bert@example.net", Some(&all)),
            ("bert@example.com", Some(&all)),
            ("bert@sub.example.net", None),
            ("postmaster", None),
        ] {
            let found = keyring.find(address, now);
            let found = found.map(|(kept, _)| kept.key.fingerprint.as_str());
            let expected = expected.map(|kept| kept.key.fingerprint.as_str());
            assert_eq!(found, expected, "{address}");
        }
        let fewer = keyring.without(&all.key.fingerprint);
        assert!(fewer.find("bert@example.com", now).is_none());
        assert!(fewer.find("anna@example.net", now).is_some());
        assert_eq!(fewer.len(), 1);
    }

    #[test]
    fn keys_that_cannot_be_used_make_room_for_others() {
        let expired = Recipe {
            primary_days: Some(1),
            ..Recipe::plain("old")
        };
        let kept = |recipe: Recipe, second| recipe.make().kept(&["anna@example.net"], at(second));
        let old = kept(expired, 3);
        let new = kept(Recipe::plain("new"), 2);
        let older = kept(Recipe::plain("older"), 1);
        let keyring = Keyring::new([older, old.clone(), new.clone()]);
        let now = Timestamp::now();
        let (found, _) = keyring.find("anna@example.net", now).expect("a key");
        assert_eq!(found.key.fingerprint, new.key.fingerprint);
        let alone = Keyring::new([old]);
        assert!(alone.find("anna@example.net", now).is_none());
    }

    #[test]
    fn a_key_that_is_added_again_stands_once() {
        let made = Recipe::plain("anna").make();
        let keyring = Keyring::new([
            made.kept(&["anna@example.net"], at(1)),
            made.kept(&["@example.com"], at(1)),
        ]);
        let now = Timestamp::now();
        assert_eq!(keyring.len(), 1);
        assert!(keyring.find("anna@example.net", now).is_none());
        assert!(keyring.find("anna@example.com", now).is_some());
    }
}
