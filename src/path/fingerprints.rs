//! Fingerprints: what makes a sender's repetition harmless.
//!
//! Written when a 250 was late or could not be written, or when a 451 followed a partial success;
//! deleted when a command proves that the reply was read. Ordinary traffic is never deduplicated.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use aws_lc_rs::digest;
use parking_lot::Mutex;

use crate::limits;
use crate::message::{BodyReader, Client, Message};
use crate::smtp::address::{Mailbox, ReversePath};

/// SHA-256 of the content before our Received field.
pub(super) type ContentDigest = [u8; 32];

/// Client, sender and recipient. The content's digest is kept beside them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FingerprintKey {
    client: Arc<str>,
    sender: Arc<str>,
    recipient: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    number: u64,
    pub(super) digest: ContentDigest,
}

/// Names fingerprints that were written or found, so that they can be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FingerprintIds(Vec<u64>);

impl FingerprintIds {
    /// Whether it names none.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of `known` that are of this content.
    pub(super) fn of(known: &[Fingerprint], digest: &ContentDigest) -> Self {
        let same = known.iter().filter(|known| known.digest == *digest);
        Self(same.map(|known| known.number).collect())
    }

    /// The fingerprints of both.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

#[derive(Debug, Default)]
struct FingerprintIndex {
    by_key: HashMap<FingerprintKey, Vec<Fingerprint>>,
    key_of: HashMap<u64, FingerprintKey>,
    /// Oldest first; deleted ones stay until their turn.
    order: VecDeque<(u64, Instant)>,
    per_client: HashMap<Arc<str>, VecDeque<u64>>,
    next_number: u64,
}

/// All fingerprints, bounded in total, for each client, and in time.
#[derive(Debug, Default)]
pub struct Fingerprints {
    kept: Mutex<FingerprintIndex>,
    /// Read without the lock: the ordinary message finds nothing here.
    count: AtomicUsize,
}

/// The identity that counts: the login, else the address.
fn identity(client: &Client) -> Arc<str> {
    match (&client.login, client.address) {
        (Some(login), _) => Arc::clone(login),
        (None, Some(address)) => address.to_string().into(),
        (None, None) => Arc::from(""),
    }
}

impl Fingerprints {
    /// Whether a message's client, sender and one of its recipients have a fingerprint, so that its
    /// content is worth hashing.
    #[must_use]
    pub(super) fn has_candidate(&self, message: &Message, now: Instant) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut kept = self.kept.lock();
        kept.expire(now);
        self.publish_count(&kept);
        keys(message).any(|key| kept.by_key.contains_key(&key))
    }

    /// The fingerprints of one recipient, whose content is not known yet, in the order of their digests.
    pub(super) fn known(
        &self,
        client: &Client,
        sender: &ReversePath,
        recipient: &Mailbox,
        now: Instant,
    ) -> Vec<Fingerprint> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut kept = self.kept.lock();
        kept.expire(now);
        self.publish_count(&kept);
        let key = FingerprintKey {
            client: identity(client),
            sender: sender.to_string().into(),
            recipient: recipient.as_str().into(),
        };
        let found = kept.by_key.get(&key).into_iter().flatten();
        let mut known: Vec<Fingerprint> = found.cloned().collect();
        known.sort_unstable_by_key(|known| known.digest);
        known
    }

    /// Which recipients of a message are settled already, and the fingerprints that said so.
    #[must_use]
    pub(super) fn settled(
        &self,
        message: &Message,
        digest: &ContentDigest,
        now: Instant,
    ) -> (Vec<bool>, FingerprintIds) {
        let mut kept = self.kept.lock();
        kept.expire(now);
        self.publish_count(&kept);
        let mut ids = FingerprintIds::default();
        let settled = keys(message)
            .map(|key| {
                let found = kept.by_key.get(&key).and_then(|fingerprints| {
                    fingerprints.iter().find(|known| known.digest == *digest)
                });
                ids.0.extend(found.map(|known| known.number));
                found.is_some()
            })
            .collect();
        (settled, ids)
    }

    /// Writes fingerprints for the recipients at `settled`, positions in the envelope.
    #[must_use]
    pub(super) fn write(
        &self,
        message: &Message,
        settled: impl IntoIterator<Item = usize>,
        digest: &ContentDigest,
        now: Instant,
    ) -> FingerprintIds {
        let mut kept = self.kept.lock();
        kept.expire(now);
        let all: Vec<FingerprintKey> = keys(message).collect();
        let ids = FingerprintIds(
            settled
                .into_iter()
                .map(|position| kept.add(all[position].clone(), *digest, now))
                .collect(),
        );
        self.publish_count(&kept);
        ids
    }

    /// Deletes: the client has read its reply.
    pub(super) fn delete(&self, ids: &FingerprintIds) {
        if ids.is_empty() {
            return;
        }
        let mut kept = self.kept.lock();
        for number in &ids.0 {
            kept.delete(*number);
        }
        self.publish_count(&kept);
    }

    fn publish_count(&self, kept: &FingerprintIndex) {
        self.count.store(kept.key_of.len(), Ordering::Release);
    }
}

fn keys(message: &Message) -> impl Iterator<Item = FingerprintKey> {
    let client = identity(&message.client);
    let sender: Arc<str> = message.envelope.sender.to_string().into();
    message
        .envelope
        .recipients
        .iter()
        .map(move |recipient| FingerprintKey {
            client: Arc::clone(&client),
            sender: Arc::clone(&sender),
            recipient: recipient.address.as_str().into(),
        })
}

impl FingerprintIndex {
    fn add(&mut self, key: FingerprintKey, digest: ContentDigest, now: Instant) -> u64 {
        // One that is there already is renewed, and takes no place from others.
        let known = self.by_key.get(&key).into_iter().flatten();
        let mut same = known.filter(|known| known.digest == digest);
        if let Some(number) = same.next().map(|known| known.number) {
            self.delete(number);
        }
        while self.key_of.len() >= limits::FINGERPRINTS {
            let Some((oldest, _)) = self.order.pop_front() else {
                break;
            };
            self.delete(oldest);
        }
        let of_client = self.per_client.entry(Arc::clone(&key.client)).or_default();
        let surplus = if of_client.len() >= limits::FINGERPRINTS_PER_CLIENT {
            of_client.pop_front()
        } else {
            None
        };
        let number = self.next_number;
        self.next_number += 1;
        of_client.push_back(number);
        if let Some(surplus) = surplus {
            self.delete(surplus);
        }
        let until = now + limits::FINGERPRINT_LIFE;
        if self.order.len() >= 2 * limits::FINGERPRINTS {
            let key_of = &self.key_of;
            self.order.retain(|(number, _)| key_of.contains_key(number));
        }
        self.order.push_back((number, until));
        self.key_of.insert(number, key.clone());
        self.by_key
            .entry(key)
            .or_default()
            .push(Fingerprint { number, digest });
        number
    }

    fn delete(&mut self, number: u64) {
        let Some(key) = self.key_of.remove(&number) else {
            return;
        };
        if let Some(fingerprints) = self.by_key.get_mut(&key) {
            fingerprints.retain(|known| known.number != number);
            if fingerprints.is_empty() {
                self.by_key.remove(&key);
            }
        }
        if let Some(of_client) = self.per_client.get_mut(&key.client) {
            of_client.retain(|&known| known != number);
            if of_client.is_empty() {
                self.per_client.remove(&key.client);
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(&(number, until)) = self.order.front() {
            let deleted = !self.key_of.contains_key(&number);
            if !deleted && until > now {
                break;
            }
            self.order.pop_front();
            self.delete(number);
        }
    }
}

/// The digest of a message's content.
///
/// # Errors
/// When a part on disk cannot be read.
pub(super) async fn digest_of(message: &Arc<Message>) -> io::Result<ContentDigest> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut reader = BodyReader::of_arrived(Arc::clone(message));
    while let Some(block) = reader.next().await? {
        context.update(&block);
    }
    let mut content = ContentDigest::default();
    content.copy_from_slice(context.finish().as_ref());
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::message::testing::arc_message;

    #[tokio::test]
    async fn a_repetition_is_known_until_its_reply_was_read() {
        let fingerprints = Fingerprints::default();
        let now = Instant::now();
        let sent = arc_message(
            "a@example.org",
            &["b@example.net", "c@example.net"],
            b"x\r\n",
        );
        assert!(!fingerprints.has_candidate(&sent, now));
        let digest = digest_of(&sent).await.expect("it is in memory");
        let ids = fingerprints.write(&sent, [1], &digest, now);

        let again = arc_message(
            "a@example.org",
            &["c@example.net", "d@example.net"],
            b"x\r\n",
        );
        assert!(fingerprints.has_candidate(&again, now));
        let (settled, found) = fingerprints.settled(&again, &digest, now);
        assert_eq!(settled, [true, false]);
        assert_eq!(found, ids);

        fingerprints.delete(&ids);
        assert!(!fingerprints.has_candidate(&again, now));
    }

    #[tokio::test]
    async fn other_content_another_sender_or_client_is_not_a_repetition() {
        let fingerprints = Fingerprints::default();
        let now = Instant::now();
        let sent = arc_message("a@example.org", &["b@example.net"], b"x\r\n");
        let digest = digest_of(&sent).await.expect("it is in memory");
        let _ = fingerprints.write(&sent, [0], &digest, now);

        let other = arc_message("a@example.org", &["b@example.net"], b"y\r\n");
        let other_digest = digest_of(&other).await.expect("it is in memory");
        let (settled, _) = fingerprints.settled(&other, &other_digest, now);
        assert_eq!(settled, [false]);
        let sender = arc_message("z@example.org", &["b@example.net"], b"x\r\n");
        assert!(!fingerprints.has_candidate(&sender, now));
    }

    #[tokio::test]
    async fn they_end_by_age_and_by_number() {
        let fingerprints = Fingerprints::default();
        let now = Instant::now();
        let sent = arc_message("a@example.org", &["b@example.net"], b"x\r\n");
        let count = || fingerprints.count.load(Ordering::Acquire);
        // The same one is renewed, and takes no place from others.
        for _ in 0..3 {
            let _ = fingerprints.write(&sent, [0], &ContentDigest::default(), now);
        }
        assert_eq!(count(), 1);
        for number in 0..limits::FINGERPRINTS_PER_CLIENT as u64 + 5 {
            let mut digest = ContentDigest::default();
            digest[..8].copy_from_slice(&number.to_be_bytes());
            let _ = fingerprints.write(&sent, [0], &digest, now);
        }
        assert_eq!(count(), limits::FINGERPRINTS_PER_CLIENT);
        let later = now + limits::FINGERPRINT_LIFE + Duration::from_secs(1);
        assert!(!fingerprints.has_candidate(&sent, later));
        assert_eq!(count(), 0);
    }
}
