//! Sizes of what SMTP carries.

/// A command line with its CRLF. RFC 5321 §4.5.3.1.4 asks for 512; ESMTP parameters add to it
/// (RFC 1869 §4.1.2), and 2,048 is what the field's servers allow.
pub const COMMAND_LINE_BYTES: usize = 2_048;
/// An AUTH line: RFC 4954 §4 asks for 12,288 bytes of base64.
pub const AUTH_LINE_BYTES: usize = 12_288;
/// A path with its angle brackets, RFC 5321 §4.5.3.1.3.
pub const PATH_BYTES: usize = 256;
/// A local part. RFC 5321 §4.5.3.1.1 says 64, but senders that encode the recipient or an older sender
/// in theirs (VERP, SRS) go beyond it and every relay takes them; the path's own bound holds.
pub const LOCAL_PART_BYTES: usize = PATH_BYTES;
/// A domain, RFC 5321 §4.5.3.1.2.
pub const DOMAIN_BYTES: usize = 255;
/// An ENVID parameter, RFC 3461 §4.4.
pub const ENVELOPE_ID_BYTES: usize = 100;
/// An ORCPT parameter, RFC 3461 §4.2.
pub const ORIGINAL_RECIPIENT_BYTES: usize = 500;
/// A line of text longer than RFC 5321's 998 bytes is passed on unchanged up to here; beyond it the
/// message is refused, because no destination can be expected to take it.
pub const TEXT_LINE_BYTES: usize = 65_536;
/// Recipients of one message. RFC 5321 §4.5.3.1.8 asks for at least 100.
pub const RECIPIENTS: usize = 1_000;
/// Received fields a message may carry before we call it a loop. RFC 5321 §6.3 asks for at least 100.
pub const HOPS: usize = 100;
/// The block of header fields that is looked at for the loop check.
pub const HEADER_BYTES: usize = 262_144;
/// A reply of a next hop, all its lines together.
pub const PEER_REPLY_BYTES: usize = 65_536;
