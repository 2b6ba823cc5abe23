//! OpenPGP: the public keys of recipients, and encryption to them (RFC 4880, RFC 9580).
//!
//! [`PublicKey`] is a key that was read and judged by its own signatures; the [`Keyring`] says which of
//! them is the one for an address; [`encrypt`] works on a stream. Nothing here holds a secret key.

mod encryption;
mod key;
mod keyring;
#[cfg(test)]
pub(crate) mod testing;

pub use encryption::encrypt;
pub use key::{EncryptionKey, PublicKey, Unreadable, Validity};
pub use keyring::{KeptKey, Keyring};
