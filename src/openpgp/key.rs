//! A public key, as its own signatures say what counts of it.
//!
//! A key may come from anywhere: a user id, a subkey, an expiry or a
//! revocation counts when the primary key has signed it, and nothing else does.

use jiff::Timestamp;
use pgp::composed::{PublicOrSecret, SignedKeyDetails, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{self, KeyFlags, Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{EncryptionKey as _, EskType, KeyDetails, KeyVersion, PkeskBytes, Tag};
use rand_core::OsRng;

use crate::smtp::address::Mailbox;

/// A public key that was read and judged.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// Of the primary key, in upper-case hexadecimal digits.
    pub fingerprint: String,
    /// Its user ids, the primary one first; those that were revoked aside.
    pub user_ids: Vec<String>,
    is_revoked: bool,
    /// When the primary key expires; none: never.
    expires_at: Option<Timestamp>,
    /// What can be encrypted to, the newest first.
    encryption: Vec<EncryptionKey>,
}

/// The part of a key that is encrypted to.
#[derive(Clone, Debug)]
pub struct EncryptionKey {
    pub(super) packet: KeyPacket,
    made_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// The primary key itself, or a subkey.
#[derive(Clone, Debug)]
pub(super) enum KeyPacket {
    Primary(packet::PublicKey),
    Subkey(packet::PublicSubkey),
}

/// Whether a key can be used now, and why not. One that cannot counts as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OpenPgpKeyState)]
pub enum Validity {
    /// It can.
    Valid,
    /// Its time is over.
    Expired,
    /// Its owner has revoked it.
    Revoked,
    /// It has no part that is meant for encryption, or none that we know how to encrypt to.
    NoEncryptionKey,
}

/// Why something is not taken for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is none, or a broken one.
    #[error("is not an OpenPGP key")]
    NoKey,
    /// It is the half that must stay with its owner.
    #[error("is a secret key, which belongs nowhere but to its owner: give its public key")]
    Secret,
    /// There are several.
    #[error("holds more than one key: add them one by one")]
    Several,
    /// Keys before version 4 (RFC 4880 §5.5.2).
    #[error("is of a version that is not secure any more")]
    Old,
    /// Nothing in it is signed by the key itself.
    #[error("has no valid signature of its own: it may have been tampered with")]
    Unsigned,
}

impl PublicKey {
    /// Reads one key, armored or binary; gives it with its binary form, to be kept.
    ///
    /// # Errors
    /// When there is not exactly one public key, or it is not signed by itself.
    pub fn read(given: &[u8]) -> Result<(Self, Vec<u8>), Unreadable> {
        let (mut keys, _) =
            PublicOrSecret::from_reader_many_buf(given).map_err(|_| Unreadable::NoKey)?;
        let key = match keys.next() {
            Some(Ok(PublicOrSecret::Public(key))) => key,
            Some(Ok(PublicOrSecret::Secret(_))) => return Err(Unreadable::Secret),
            Some(Err(_)) | None => return Err(Unreadable::NoKey),
        };
        if keys.next().is_some() {
            return Err(Unreadable::Several);
        }
        let binary = key.to_bytes().map_err(|_| Unreadable::NoKey)?;
        Ok((Self::judge(&key)?, binary))
    }

    fn judge(key: &SignedPublicKey) -> Result<Self, Unreadable> {
        let primary = &key.primary_key;
        if !matches!(primary.version(), KeyVersion::V4 | KeyVersion::V6) {
            return Err(Unreadable::Old);
        }
        let users = users(&key.details, primary);
        let direct = key.details.direct_signatures.iter();
        let direct = direct.filter(|signature| signature.verify_key(primary).is_ok());
        let certifications = users.iter().map(|(_, signature)| *signature);
        // RFC 9580 §5.2.3.10: of several the most recent one counts.
        let own = newest(direct.chain(certifications)).ok_or(Unreadable::Unsigned)?;
        let made_at = time(primary.created_at());
        let expires_at = end(made_at, own);
        let mut revocations = key.details.revocation_signatures.iter();

        let subkeys = key.public_subkeys.iter();
        let subkeys = subkeys.filter_map(|subkey| encryption_subkey(subkey, primary, expires_at));
        let mut encryption: Vec<EncryptionKey> = subkeys.collect();
        let primary_packet = KeyPacket::Primary(primary.clone());
        if encrypts(&own.key_flags()) && primary_packet.can_encrypt() {
            encryption.push(EncryptionKey {
                packet: primary_packet,
                made_at,
                expires_at,
            });
        }
        encryption.sort_by_key(|key| std::cmp::Reverse(key.made_at));
        Ok(Self {
            fingerprint: format!("{:X}", primary.fingerprint()),
            user_ids: in_order(&users),
            is_revoked: revocations.any(|signature| signature.verify_key(primary).is_ok()),
            expires_at,
            encryption,
        })
    }

    /// What is encrypted to at `now`; none when the key cannot be used then.
    #[must_use]
    pub fn encryption_key(&self, now: Timestamp) -> Option<&EncryptionKey> {
        let mut usable = self.encryption.iter();
        usable.find(|key| !self.is_revoked && key.expires_at.is_none_or(|end| now < end))
    }

    /// Whether it can be used at `now`.
    #[must_use]
    pub fn validity(&self, now: Timestamp) -> Validity {
        if self.is_revoked {
            Validity::Revoked
        } else if self.encryption_key(now).is_some() {
            Validity::Valid
        } else if self.encryption.is_empty() {
            Validity::NoEncryptionKey
        } else {
            Validity::Expired
        }
    }

    /// When nothing of it can be encrypted to any more; none: never.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let mut ends = self.encryption.iter().map(|key| key.expires_at);
        match ends.next() {
            None => self.expires_at,
            Some(first) => ends.try_fold(first?, |latest, end| Some(latest.max(end?))),
        }
    }

    /// The addresses that its user ids name, in lower case, each once.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let mut addresses = Vec::new();
        for address in self.user_ids.iter().filter_map(|id| address_in(id)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }
}

impl KeyPacket {
    /// Whether we know how to encrypt to it; tried, since it depends on algorithm, curve and size.
    fn can_encrypt(&self) -> bool {
        self.encrypt(&[0; 35]).is_ok()
    }

    fn encrypt(&self, plain: &[u8]) -> pgp::errors::Result<PkeskBytes> {
        match self {
            Self::Primary(key) => key.encrypt(OsRng, plain, EskType::V3_4),
            Self::Subkey(key) => key.encrypt(OsRng, plain, EskType::V3_4),
        }
    }
}

/// The user ids that the key vouches for, each with its most recent signature.
fn users<'a>(
    details: &'a SignedKeyDetails,
    primary: &packet::PublicKey,
) -> Vec<(&'a str, &'a Signature)> {
    let users = details.users.iter().filter_map(|user| {
        let signatures = user.signatures.iter().filter(|signature| {
            let verified = signature.verify_certification(primary, Tag::UserId, &user.id);
            verified.is_ok()
        });
        let signature = newest(signatures)?;
        let is_revoked = signature.typ() == Some(SignatureType::CertRevocation);
        Some((user.id.as_str()?, signature)).filter(|_| !is_revoked)
    });
    users.collect()
}

/// The texts of user ids, the primary one first.
fn in_order(users: &[(&str, &Signature)]) -> Vec<String> {
    let mut users: Vec<_> = users.iter().collect();
    users.sort_by_key(|(_, signature)| !signature.is_primary());
    let texts = users.into_iter().map(|(id, _)| (*id).to_owned());
    texts.collect()
}

/// A subkey that is bound to the primary key and meant for encryption; none when it is not, or when it
/// was revoked.
fn encryption_subkey(
    subkey: &SignedPublicSubKey,
    primary: &packet::PublicKey,
    primary_expires_at: Option<Timestamp>,
) -> Option<EncryptionKey> {
    let verified: Vec<&Signature> = subkey
        .signatures
        .iter()
        .filter(|signature| {
            signature
                .verify_subkey_binding(primary, &subkey.key)
                .is_ok()
        })
        .collect();
    let of = |kind| {
        let all = verified.iter().copied();
        all.filter(move |signature| signature.typ() == Some(kind))
    };
    if of(SignatureType::SubkeyRevocation).next().is_some() {
        return None;
    }
    let binding = newest(of(SignatureType::SubkeyBinding))?;
    let flags = binding.key_flags();
    // Subkeys of old programs have no flags; the algorithm then says what they are for.
    if !encrypts(&flags) && flags != KeyFlags::default() {
        return None;
    }
    let packet = KeyPacket::Subkey(subkey.key.clone());
    let made_at = time(subkey.key.created_at());
    packet.can_encrypt().then(|| EncryptionKey {
        packet,
        made_at,
        expires_at: earlier(primary_expires_at, end(made_at, binding)),
    })
}

fn encrypts(flags: &KeyFlags) -> bool {
    flags.encrypt_comms() || flags.encrypt_storage()
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

/// When a key that was made at `made_at` expires by `signature`, or the signature itself does. RFC 9580
/// §5.2.3.13: the time is counted from the key's making; zero is never.
fn end(made_at: Timestamp, signature: &Signature) -> Option<Timestamp> {
    let after = |from: Timestamp, seconds: u32| {
        let end = Timestamp::from_second(from.as_second() + i64::from(seconds)).ok();
        end.filter(|_| seconds > 0)
    };
    let key = signature.key_expiration_time();
    let key = key.and_then(|lasts| after(made_at, lasts.as_secs()));
    let own = signature.signature_expiration_time();
    let own = own.zip(signature.created());
    earlier(
        key,
        own.and_then(|(lasts, from)| after(time(from), lasts.as_secs())),
    )
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

fn time(of_key: pgp::types::Timestamp) -> Timestamp {
    Timestamp::from_second(of_key.as_secs().into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `Anna <anna@example.net>`, or the address alone.
fn address_in(user_id: &str) -> Option<String> {
    let inner = user_id
        .rsplit_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    let text = inner.map_or(user_id, |(address, _)| address).trim();
    let mailbox = Mailbox::parse(text).ok()?;
    mailbox
        .as_str()
        .contains('@')
        .then(|| mailbox.as_str().to_ascii_lowercase())
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
