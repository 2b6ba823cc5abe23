//! OpenPGP keys, and encryption to them.

use std::time::Duration;

/// OpenPGP keys that may be kept: all of them are in memory, in a form of one or two kilobytes.
pub const OPENPGP_KEYS: usize = 10_000;
/// One OpenPGP key as it is added: keys with hundreds of signatures of others are no larger.
pub const OPENPGP_KEY_BYTES: usize = 262_144;
/// Addresses and domains that one OpenPGP key may be used for.
pub const OPENPGP_KEY_NAMES: usize = 100;
/// A user id of an OpenPGP key, as it is kept and shown.
pub const OPENPGP_USER_ID_CHARACTERS: usize = 200;
/// OpenPGP keys on one page; a search finds the others.
pub const OPENPGP_KEYS_SHOWN: usize = 200;
/// All copies of one message that is encrypted: a thousand of the largest would fill the disk.
pub const ENCRYPTED_COPIES_BYTES: u64 = 256 << 20;
/// Messages that are encrypted at one time: each has a processor to itself meanwhile.
pub const ENCRYPTIONS_AT_ONCE: usize = 2;
/// All copies of one message are encrypted within this, or the sender is to try again later.
pub const ENCRYPTION_WAIT: Duration = Duration::from_secs(120);
/// Blocks of [`SPOOL_BLOCK_BYTES`](super::SPOOL_BLOCK_BYTES) between a message, its encryption and the copy, on either side.
pub const ENCRYPTION_BLOCKS: usize = 2;
/// Recipients that a reply names who have no key.
pub const KEYLESS_NAMED: usize = 3;
/// A piece that is encrypted at one time; it bounds the memory that an encryption takes.
pub const OPENPGP_PIECE_BYTES: u32 = 32_768;
