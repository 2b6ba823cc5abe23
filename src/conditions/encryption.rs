//! Encryption: recipients whose OpenPGP keys are kept get the message encrypted, as PGP/MIME (RFC 3156).
//!
//! Each of them gets a message of its own: in one for several, the ids of their keys would tell each of
//! them, and whoever is on the way, who the others are, those in Bcc among them. Recipients for whom the
//! same key stands share one.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::blocks::{BlockReader, BlockWriter};
use super::check::{CheckFn, Concerns, ConditionCheck, MessageCheck};
use super::draft::Draft;
use super::facts::Coverage;
use super::header::Field;
use super::resources::CheckResources;
use super::verdict::{CheckAnswer, CheckVerdict, Edit, RecipientCopy};
use super::words;
use crate::limits;
use crate::message::Recipient;
use crate::openpgp::{self, EncryptionKey, KeptKey, Keyring};
use crate::settings::Settings;
use crate::settings::conditions::{Encryption, WhenNoKey};
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::ByMessage(|facts, settings, _| {
        let content = facts.content;
        content.is_some_and(|content| concerns(content.keys, &content.header.fields, settings))
    }),
    tags: &[],
    run: CheckFn::Message(|asked| Box::pin(check(asked))),
};

/// Whether a message with these fields, to recipients of whom `keys` says who has one, is to be encrypted,
/// or refused because it cannot be.
pub(super) fn concerns(keys: Coverage, fields: &[Field], settings: &Settings) -> bool {
    let encryption = &settings.encryption;
    let refuses = encryption.when_no_key == WhenNoKey::Refuse;
    encryption.enabled && (keys.some_have || refuses && keys.some_lack) && !is_encrypted(fields)
}

/// Who of `recipients` has a valid key at `now`; nobody is looked up while the feature is off.
pub(super) fn coverage(
    settings: &Encryption,
    keyring: &Keyring,
    recipients: &[Recipient],
    now: Timestamp,
) -> Coverage {
    let mut coverage = Coverage::default();
    if settings.enabled {
        for recipient in recipients {
            match keyring.find(recipient.address.as_str(), now) {
                Some(_) => coverage.some_have = true,
                None => coverage.some_lack = true,
            }
        }
    }
    coverage
}

/// Whether a message with this header is encrypted already: PGP/MIME (RFC 3156 §4) or S/MIME (RFC 8551
/// §3.2), which is also the form of what is only signed.
pub(super) fn is_encrypted(fields: &[Field]) -> bool {
    let mut fields = fields.iter();
    let Some(field) = fields.find(|field| field.is_named("Content-Type")) else {
        return false;
    };
    let value = field.value().to_ascii_lowercase();
    let (kind, parameters) = value.split_once(';').unwrap_or((&value, ""));
    match kind.trim() {
        "multipart/encrypted" => true,
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            !["signed-data", "certs-only", "compressed-data"]
                .iter()
                .any(|kind| parameters.contains(kind))
        }
        _ => false,
    }
}

/// Encrypts the message for those of its recipients who have a key.
async fn check(asked: MessageCheck<'_>) -> CheckVerdict {
    let MessageCheck {
        conditions,
        settings,
        draft,
        ..
    } = asked;
    let tools = &conditions.tools;
    if is_encrypted(draft.fields()) {
        return CheckVerdict::of(CheckAnswer::Pass, "it is encrypted already");
    }
    let keyring = tools.keys.snapshot();
    let Shares { keyed, keyless } = Shares::of(&draft.envelope.recipients, &keyring);
    if !keyless.is_empty() && settings.encryption.when_no_key == WhenNoKey::Refuse {
        return refusal(&keyless);
    }
    if keyed.is_empty() {
        return CheckVerdict::of(CheckAnswer::Pass, "no recipient has a key");
    }
    let copies_bytes = draft.message().size_bytes() * keyed.len() as u64;
    if keyed.len() > 1 && copies_bytes > limits::ENCRYPTED_COPIES_BYTES {
        let reply = Reply::TOO_LARGE_TO_ENCRYPT;
        let why = "too large for so many recipients";
        return CheckVerdict::of(CheckAnswer::Refuse(reply), why);
    }
    let making = async {
        let _place = conditions
            .encryptions
            .take(draft.arrived().client.party())
            .await;
        let mut copies = Vec::with_capacity(keyed.len());
        for share in &keyed {
            copies.push(encrypted(share, settings, tools, draft).await?);
        }
        io::Result::Ok(copies)
    };
    let sentence = || {
        let count: usize = keyed.iter().map(|share| share.recipients.len()).sum();
        match keyless.len() {
            0 => format!("encrypted for {count}"),
            plain => format!("encrypted for {count}, as it is for {plain}"),
        }
    };
    match timeout(limits::ENCRYPTION_WAIT, making).await {
        Ok(Ok(copies)) => CheckVerdict::with(vec![Edit::Copies(copies)], sentence()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            let reply = Reply::ENDLESS_HEADER_TO_ENCRYPT;
            CheckVerdict::of(CheckAnswer::Refuse(reply), "its header has no end")
        }
        Ok(Err(error)) => CheckVerdict::of(CheckAnswer::CannotTell, words::cut(&error.to_string())),
        Err(_) => CheckVerdict::of(CheckAnswer::CannotTell, "encryption took too long"),
    }
}

/// Who gets what.
struct Shares {
    keyed: Vec<KeyShare>,
    /// Recipients without a valid key.
    keyless: Vec<Mailbox>,
}

/// Recipients for whom the same key stands.
struct KeyShare {
    kept: Arc<KeptKey>,
    key: EncryptionKey,
    recipients: Vec<Mailbox>,
}

impl Shares {
    fn of(recipients: &[Recipient], keyring: &Keyring) -> Self {
        let now = Timestamp::now();
        let mut shares = Self {
            keyed: Vec::new(),
            keyless: Vec::new(),
        };
        for recipient in recipients {
            let address = recipient.address.clone();
            let Some((kept, key)) = keyring.find(address.as_str(), now) else {
                shares.keyless.push(address);
                continue;
            };
            let mut keyed = shares.keyed.iter_mut();
            match keyed.find(|share| Arc::ptr_eq(&share.kept, kept)) {
                Some(share) => share.recipients.push(address),
                None => shares.keyed.push(KeyShare {
                    kept: Arc::clone(kept),
                    key: key.clone(),
                    recipients: vec![address],
                }),
            }
        }
        shares
    }
}

/// The whole message is refused: what one recipient may not get in the clear, the sender may not have
/// meant for the others either.
fn refusal(keyless: &[Mailbox]) -> CheckVerdict {
    let named = keyless.iter().take(limits::KEYLESS_NAMED);
    let named: Vec<String> = named.map(|address| words::cut(address.as_str())).collect();
    let mut text = format!("No OpenPGP key for {}", named.join(", "));
    if keyless.len() > named.len() {
        text += &format!(" and {} more", keyless.len() - named.len());
    }
    let reply = Reply::no_key(text.clone());
    CheckVerdict::of(CheckAnswer::Refuse(reply), text)
}

/// Makes the message for one share; [`io::ErrorKind::InvalidData`] when the header has no end.
async fn encrypted(
    share: &KeyShare,
    settings: &Settings,
    tools: &CheckResources,
    draft: &Draft,
) -> io::Result<RecipientCopy> {
    // It names the file of the copy, and its boundary, which no line of armor begins like.
    let name = tools.ids.next(Timestamp::now());
    let boundary = format!("=_pgp_{name}");
    let mut writer = tools.body_writer(name, settings, draft.arrived());
    writer.append(opening(&boundary).as_bytes()).await?;

    let (to_thread, plain) = mpsc::channel(limits::ENCRYPTION_BLOCKS);
    let (secret, mut from_thread) = mpsc::channel::<Bytes>(limits::ENCRYPTION_BLOCKS);
    let key = share.key.clone();
    let thread = spawn_blocking(move || {
        openpgp::encrypt(BlockReader::new(plain), &key, BlockWriter::new(secret))
    });
    // Each ends when its neighbour does: whoever is dropped closes its channel.
    let feeding = send_plain(draft, to_thread);
    let draining = async move {
        while let Some(block) = from_thread.recv().await {
            writer.append(&block).await?;
        }
        io::Result::Ok(writer)
    };
    let (fed, drained, worked) = tokio::join!(feeding, draining, thread);
    // A message that was read only in part makes an encryption that is whole: this comes first.
    fed?;
    let mut writer = drained?;
    worked.map_err(io::Error::other)??;

    let closing = format!("\r\n--{boundary}--\r\n");
    writer.append(closing.as_bytes()).await?;
    let (body, _) = writer.finish().await?;
    Ok(RecipientCopy {
        recipients: share.recipients.clone(),
        fields: outer_fields(draft.fields(), &boundary),
        body: Arc::new(body),
    })
}

/// RFC 3156 §4: the header that everybody can read, with the kind of the encrypted message.
fn outer_fields(fields: &[Field], boundary: &str) -> Vec<Field> {
    let outer = fields.iter().filter(|field| !is_of_content(field));
    let mut outer: Vec<Field> = outer.cloned().collect();
    outer.push(Field::new("MIME-Version", "1.0"));
    let kind = format!(
        "multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"{boundary}\""
    );
    outer.push(Field::new("Content-Type", &kind));
    outer
}

/// What moves into the encrypted part, or is written anew.
fn is_of_content(field: &Field) -> bool {
    let name = field.name();
    let begin = name.get(.."content-".len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case("content-"))
        || name.eq_ignore_ascii_case("mime-version")
}

/// Everything before the armor, behind the outer header.
fn opening(boundary: &str) -> String {
    format!(
        "\r\n\
         This is an OpenPGP/MIME encrypted message (RFC 3156).\r\n\
         --{boundary}\r\n\
         Content-Type: application/pgp-encrypted\r\n\
         Content-Description: PGP/MIME version identification\r\n\
         \r\n\
         Version: 1\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\
         Content-Description: OpenPGP encrypted message\r\n\
         Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\
         \r\n"
    )
}

/// Sends what is encrypted, block by block: the message's own body with the fields that say what it is, signatures
/// and all. Ends early, and well, when nobody takes it any more; [`io::ErrorKind::InvalidData`] when the header has
/// no end.
async fn send_plain(draft: &Draft, to: mpsc::Sender<Bytes>) -> io::Result<()> {
    let mut header = BytesMut::new();
    for field in draft.fields().iter().filter(|field| is_of_content(field)) {
        if !field.is_named("MIME-Version") {
            header.extend_from_slice(field.raw());
        }
    }
    header.extend_from_slice(b"\r\n");
    let mut body = draft.body_reader();
    let mut begin = BytesMut::new();
    // The empty line behind the header that arrived stands in ours already.
    while begin.len() < 2 {
        match body.next().await? {
            Some(block) => begin.extend_from_slice(&block),
            None => break,
        }
    }
    if !begin.is_empty() && !draft.has_whole_header() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if begin.starts_with(b"\r\n") {
        let _ = begin.split_to(2);
    }
    if to.send(header.freeze()).await.is_err() || to.send(begin.freeze()).await.is_err() {
        return Ok(());
    }
    while let Some(block) = body.next().await? {
        if to.send(block).await.is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "encryption_tests.rs"]
mod tests;
