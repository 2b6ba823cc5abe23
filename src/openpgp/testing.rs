//! Keys made for tests, with the flaws that a test asks for.

use jiff::Timestamp;
use pgp::composed::{
    ArmorOptions, EncryptionCaps, KeyType, Message, SecretKeyParamsBuilder, SignedPublicKey,
    SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::packet::{Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, SigningKey, Tag, Timestamp as KeyTime};
use rand_core::OsRng;

use super::key::PublicKey;
use super::keyring::KeptKey;

/// When the keys of tests are made.
const MADE_AT_SECONDS: u32 = 1_704_067_200;
const DAY_SECONDS: u32 = 86_400;

/// How a key is made.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// Its user id.
    pub(crate) user_id: &'static str,
    /// Life of the primary key.
    pub(crate) primary_days: Option<u32>,
    /// Life of the subkey.
    pub(crate) subkey_days: Option<u32>,
    /// It has a subkey for encryption.
    pub(crate) has_subkey: bool,
    /// The key is revoked.
    pub(crate) is_revoked: bool,
    /// The subkey is revoked.
    pub(crate) subkey_is_revoked: bool,
}

/// A key with its secret half.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Without the flaws.
    pub(crate) secret: SignedSecretKey,
    /// With them.
    pub(crate) public: SignedPublicKey,
}

impl Recipe {
    /// A key that does not expire, with one subkey for encryption, as GnuPG makes them.
    pub(crate) fn plain(user_id: &'static str) -> Self {
        Self {
            user_id,
            primary_days: None,
            subkey_days: None,
            has_subkey: true,
            is_revoked: false,
            subkey_is_revoked: false,
        }
    }

    /// Makes it.
    pub(crate) fn make(&self) -> Made {
        let secret = self.secret();
        let mut public = secret.to_public_key();
        if let Some(days) = self.primary_days {
            let user = &mut public.details.users[0];
            let signature = sign(&secret, SignatureType::CertPositive, Some(days));
            let primary = &secret.primary_key;
            let signed = signature.sign_certification(
                primary,
                primary.public_key(),
                &Password::empty(),
                Tag::UserId,
                &user.id,
            );
            user.signatures = vec![signed.expect("it signs")];
        }
        if let Some(days) = self.subkey_days {
            let signature = bind(&secret, SignatureType::SubkeyBinding, Some(days));
            public.public_subkeys[0].signatures = vec![signature];
        }
        if self.subkey_is_revoked {
            let signature = bind(&secret, SignatureType::SubkeyRevocation, None);
            public.public_subkeys[0].signatures.push(signature);
        }
        if self.is_revoked {
            let primary = &secret.primary_key;
            let signature = sign(&secret, SignatureType::KeyRevocation, None);
            let signed = signature.sign_key(primary, &Password::empty(), primary.public_key());
            let revocations = &mut public.details.revocation_signatures;
            revocations.push(signed.expect("it signs"));
        }
        Made { secret, public }
    }

    fn secret(&self) -> SignedSecretKey {
        let made_at = KeyTime::from_secs(MADE_AT_SECONDS);
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .created_at(made_at)
            .primary_user_id(self.user_id.to_owned());
        if self.has_subkey {
            let subkey = SubkeyParamsBuilder::default()
                .key_type(KeyType::ECDH(ECCCurve::Curve25519Legacy))
                .can_encrypt(EncryptionCaps::All)
                .created_at(made_at)
                .build();
            params.subkey(subkey.expect("a subkey"));
        }
        let params = params.build().expect("a key");
        params.generate(OsRng).expect("a key")
    }
}

impl Made {
    /// The public key as it is stored.
    pub(crate) fn binary(&self) -> Vec<u8> {
        self.public.to_bytes().expect("bytes")
    }

    /// The public key, read and judged.
    pub(crate) fn read(&self) -> PublicKey {
        PublicKey::read(&self.binary()).expect("a sound key").0
    }

    /// The public key as its owner gives it away.
    pub(crate) fn armored(&self) -> String {
        let options = ArmorOptions::default();
        self.public.to_armored_string(options).expect("armor")
    }

    /// The public key as it is kept for these addresses and domains.
    pub(crate) fn kept(&self, stands_for: &[&str], created_at: Timestamp) -> KeptKey {
        KeptKey {
            key: self.read(),
            stands_for: stands_for.iter().map(|name| (*name).to_owned()).collect(),
            created_at,
            added_by: "test".into(),
        }
    }

    /// What an armored message says; none when it is not for this key.
    pub(crate) fn decrypt(&self, armored: &[u8]) -> Option<Vec<u8>> {
        let reader = std::io::Cursor::new(armored.to_vec());
        let (message, _) = Message::from_armor(reader).ok()?;
        let mut plain = message.decrypt(&Password::empty(), &self.secret).ok()?;
        plain.as_data_vec().ok()
    }
}

/// A signature of the primary key, to be made.
fn sign(secret: &SignedSecretKey, kind: SignatureType, days: Option<u32>) -> SignatureConfig {
    let primary = &secret.primary_key;
    let mut config = SignatureConfig::v4(kind, primary.algorithm(), primary.hash_alg());
    let mut says = vec![
        SubpacketData::SignatureCreationTime(KeyTime::now()),
        SubpacketData::IssuerFingerprint(primary.fingerprint()),
    ];
    if let Some(days) = days {
        let lasts = Duration::from_secs(days * DAY_SECONDS);
        says.push(SubpacketData::KeyExpirationTime(lasts));
    }
    let says = says.into_iter().map(Subpacket::regular);
    config.hashed_subpackets = says.collect::<Result<_, _>>().expect("subpackets");
    config
}

/// A signature that binds the subkey, or revokes it.
fn bind(secret: &SignedSecretKey, kind: SignatureType, days: Option<u32>) -> Signature {
    let primary = &secret.primary_key;
    let signed = sign(secret, kind, days).sign_subkey_binding(
        primary,
        primary.public_key(),
        &Password::empty(),
        secret.secret_subkeys[0].key.public_key(),
    );
    signed.expect("it signs")
}
