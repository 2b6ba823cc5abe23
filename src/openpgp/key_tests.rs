use pgp::ser::Serialize as _;

use super::super::testing::Recipe;
use super::*;

const DAY_SECONDS: i64 = 86_400;

fn read(given: &[u8]) -> Result<PublicKey, Unreadable> {
    PublicKey::read(given).map(|(key, _)| key)
}

fn binary(key: &SignedPublicKey) -> Vec<u8> {
    key.to_bytes().expect("bytes")
}

#[test]
fn a_key_is_read_armored_and_binary() {
    let made = Recipe::plain("Anna <Anna@Example.NET>").make();
    let (key, kept) = PublicKey::read(made.armored().as_bytes()).expect("a key");
    let again = read(&kept).expect("the same");
    assert_eq!(kept, binary(&made.public));
    for key in [key, again] {
        assert_eq!(key.fingerprint.len(), 40, "{key:?}");
        assert_eq!(key.user_ids, ["Anna <Anna@Example.NET>"]);
        assert_eq!(key.addresses(), ["anna@example.net"]);
        assert_eq!(key.validity(Timestamp::now()), Validity::Valid);
        assert_eq!(key.expires_at(), None);
    }
}

#[test]
fn what_is_no_public_key_is_named() {
    let one = Recipe::plain("anna@example.net").make();
    let other = Recipe::plain("bert@example.net").make();
    let secret = one.secret.to_bytes().expect("bytes");
    let two = [binary(&one.public), binary(&other.public)].concat();
    let mut unsigned = one.public.clone();
    unsigned.details.users = other.public.details.users.clone();
    let armored = one.armored();
    for (given, expected) in [
        (&b""[..], Unreadable::NoKey),
        (b"hello", Unreadable::NoKey),
        (&[0xC6, 0x00], Unreadable::NoKey),
        (&armored.as_bytes()[..100], Unreadable::NoKey),
        (&secret, Unreadable::Secret),
        (&two, Unreadable::Several),
        (&binary(&unsigned), Unreadable::Unsigned),
    ] {
        let found = read(given).expect_err("it is no key");
        assert_eq!(found, expected, "{}", given.escape_ascii());
    }
}

#[test]
fn a_key_is_valid_until_it_or_its_subkey_expires() {
    for (primary_days, subkey_days, expected) in [
        (None, None, None),
        (Some(10), None, Some(10)),
        (None, Some(5), Some(5)),
        (Some(3), Some(5), Some(3)),
    ] {
        let recipe = Recipe {
            primary_days,
            subkey_days,
            ..Recipe::plain("a@b.c")
        };
        let made = recipe.make();
        let key = made.read();
        let begin = i64::from(made.public.primary_key.created_at().as_secs());
        let at = |second: i64| Timestamp::from_second(second).expect("in range");
        let end = expected.map(|days: i64| at(begin + days * DAY_SECONDS));
        assert_eq!(key.expires_at(), end);
        let Some(end) = end else { continue };
        let before = at(end.as_second() - 1);
        assert_eq!(key.validity(before), Validity::Valid);
        assert!(key.encryption_key(before).is_some());
        assert_eq!(key.validity(end), Validity::Expired);
        assert!(key.encryption_key(end).is_none());
    }
}

#[test]
fn revoked_keys_and_keys_without_encryption_count_as_none() {
    let now = Timestamp::now();
    let plain = || Recipe::plain("a@b.c");
    for (recipe, expected) in [
        (
            Recipe {
                is_revoked: true,
                ..plain()
            },
            Validity::Revoked,
        ),
        (
            Recipe {
                subkey_is_revoked: true,
                ..plain()
            },
            Validity::NoEncryptionKey,
        ),
        (
            Recipe {
                has_subkey: false,
                ..plain()
            },
            Validity::NoEncryptionKey,
        ),
    ] {
        let key = recipe.make().read();
        assert_eq!(key.validity(now), expected, "{recipe:?}");
        assert!(key.encryption_key(now).is_none(), "{recipe:?}");
    }
}

#[test]
fn a_subkey_that_the_key_did_not_bind_is_not_encrypted_to() {
    let recipe = Recipe {
        has_subkey: false,
        ..Recipe::plain("a@b.c")
    };
    let mut key = recipe.make().public;
    // Somebody puts a subkey of his own to a key of another.
    key.public_subkeys = Recipe::plain("evil@b.c").make().public.public_subkeys;
    let key = PublicKey::judge(&key).expect("the primary key is sound");
    assert_eq!(key.validity(Timestamp::now()), Validity::NoEncryptionKey);
}

#[test]
fn addresses_are_found_in_user_ids() {
    for (user_id, expected) in [
        ("Anna (work) <anna@example.net>", Some("anna@example.net")),
        ("anna@example.net", Some("anna@example.net")),
        (" <ANNA@example.net> ", Some("anna@example.net")),
        ("Anna", None),
        ("Anna <>", None),
        ("<anna@example.net", None),
        ("Anna <not an address>", None),
    ] {
        assert_eq!(address_in(user_id).as_deref(), expected, "{user_id}");
    }
}

proptest::proptest! {
    #[test]
    fn nonsense_is_no_key(given in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = read(&given);
    }

    #[test]
    fn a_damaged_key_is_refused_or_judged(at in 0usize..10_000, bit in 0u8..8) {
        static KEY: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| binary(&Recipe::plain("anna@example.net").make().public));
        let mut damaged = KEY.clone();
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        let _ = read(&damaged);
    }
}
