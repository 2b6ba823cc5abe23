//! Milters.

/// Milters that a message is shown to, one after the other: each costs a round trip at every stage.
pub const MILTERS: usize = 8;
/// A packet of a milter. Sendmail takes none larger, whatever was negotiated.
pub const MILTER_PACKET_BYTES: usize = 1 << 20;
/// What libmilter takes as one packet; it closes the connection on a larger one, such as a header field.
pub const MILTER_FIELD_BYTES: usize = 65_535;
/// A chunk of a body on its way to a milter: libmilter's MILTER_CHUNK_SIZE, which older ones rely on.
pub const MILTER_CHUNK_BYTES: usize = 65_535;
/// The same where the memory budget has nothing for it.
pub const MILTER_CHUNK_LEAST_BYTES: usize = 8_192;
/// Changes that a milter asks for of one message, chunks of a new body aside.
pub const MILTER_CHANGES: usize = 2_000;
/// Packets to a milter are collected up to this before they are written.
pub const MILTER_WRITE_BYTES: usize = 16_384;
/// Recipients up to which milters may add some, all in memory: an expanded list has fewer; with more it is deferred.
pub const RECIPIENTS_ADDED_TO: usize = 10_000;
