//! Encryption to one key, from a stream to a stream.

use std::io::{self, Read, Write};

use pgp::composed::{ArmorOptions, MessageBuilder};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use rand_core::OsRng;

use super::key::{EncryptionKey, KeyPacket};
use crate::limits;

/// Encrypts what `plain` gives to `key` and writes the armored message to `secret`, with CRLF line ends.
/// A packet of version 1 (RFC 4880 §5.13) with AES-256: what every program that is in use reads.
///
/// # Errors
/// When one of the streams breaks, or the key does not do what it did when it was read.
pub fn encrypt(plain: impl Read, key: &EncryptionKey, secret: impl Write) -> io::Result<()> {
    let mut builder =
        MessageBuilder::from_reader("", plain).seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
    builder
        .partial_chunk_size(limits::OPENPGP_PIECE_BYTES)
        .map_err(io::Error::other)?;
    let prepared = match &key.packet {
        KeyPacket::Primary(key) => builder.encrypt_to_key(OsRng, key).map(drop),
        KeyPacket::Subkey(key) => builder.encrypt_to_key(OsRng, key).map(drop),
    };
    prepared.map_err(io::Error::other)?;
    let mut lines = CanonicalLines(secret);
    builder
        .to_armored_writer(OsRng, ArmorOptions::default(), &mut lines)
        .map_err(io::Error::other)?;
    lines.flush()
}

/// Writes CRLF for LF: armor has no other line ends.
struct CanonicalLines<W>(W);

impl<W: Write> Write for CanonicalLines<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    self.0.write_all(line)?;
                    self.0.write_all(b"\r\n")?;
                }
                None => self.0.write_all(line)?,
            }
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::testing::Recipe;
    use super::*;

    #[test]
    fn what_is_encrypted_is_decrypted_by_its_owner_alone() {
        let made = Recipe::plain("anna@example.net").make();
        let key = made.read();
        let target = key.encryption_key(Timestamp::now()).expect("a valid key");
        for length in [0, 1, 511, 32_768, 200_001] {
            let plain: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
            let mut secret = Vec::new();
            encrypt(&plain[..], target, &mut secret).expect("encrypted");
            let text = String::from_utf8(secret).expect("text");
            assert!(
                text.starts_with("-----BEGIN PGP MESSAGE-----\r\n"),
                "{text}"
            );
            assert!(text.ends_with("-----END PGP MESSAGE-----\r\n"), "{text}");
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
            assert!(text.lines().all(|line| line.len() <= 76));
            assert_eq!(made.decrypt(text.as_bytes()), Some(plain));
            let other = Recipe::plain("bert@example.net").make();
            assert_eq!(other.decrypt(text.as_bytes()), None);
        }
    }

    #[test]
    fn a_stream_that_breaks_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let key = Recipe::plain("anna@example.net").make().read();
        let target = key.encryption_key(Timestamp::now()).expect("a valid key");
        assert!(encrypt(Broken, target, io::sink()).is_err());
        assert!(encrypt(&b"plain"[..], target, Broken).is_err());
    }
}
