//! Sizes of what SMTP carries.

/// A command line with its CRLF: RFC 5321 §4.5.3.1.4 asks for 512, ESMTP adds to it, and other servers allow this.
pub const COMMAND_LINE_BYTES: usize = 2_048;
/// An AUTH line: RFC 4954 §4 asks for 12,288 bytes of base64.
pub const AUTH_LINE_BYTES: usize = 12_288;
/// A path with its angle brackets, RFC 5321 §4.5.3.1.3.
pub const PATH_BYTES: usize = 256;
/// A local part: more than RFC 5321 §4.5.3.1.1 says, as every relay takes (VERP, SRS). The path's own bound holds.
pub const LOCAL_PART_BYTES: usize = PATH_BYTES;
/// A domain, RFC 5321 §4.5.3.1.2.
pub const DOMAIN_BYTES: usize = 255;
/// An ENVID parameter, RFC 3461 §4.4.
pub const ENVELOPE_ID_BYTES: usize = 100;
/// An ORCPT parameter, RFC 3461 §4.2.
pub const ORIGINAL_RECIPIENT_BYTES: usize = 500;
/// A line of text. More than RFC 5321's 998 bytes is passed on; more than this no destination can be expected to take.
pub const TEXT_LINE_BYTES: usize = 65_536;
/// The same with its CRLF.
pub const WHOLE_LINE_BYTES: usize = TEXT_LINE_BYTES + 2;
/// Recipients of one message. RFC 5321 §4.5.3.1.8 asks for at least 100.
pub const RECIPIENTS: usize = 1_000;
/// Received fields a message may carry before we call it a loop. RFC 5321 §6.3 asks for at least 100.
pub const HOPS: usize = 100;
/// The header of a message or of a part, as far as it is read; the loop check looks at no more of it, either.
pub const HEADER_BYTES: usize = 262_144;
/// A reply of a next hop, all its lines together.
pub const PEER_REPLY_BYTES: usize = 65_536;
/// A label of a domain, RFC 1035 §2.3.4.
pub const LABEL_BYTES: usize = 63;
/// A login name in XCLIENT. smtpd allows no value more than this.
pub const XCLIENT_LOGIN_BYTES: usize = 255;
/// An unknown parameter or attribute as the reply names it.
pub const NAMED_CHARACTERS: usize = 40;
/// The name of a SASL mechanism, RFC 4422 §3.1.
pub const MECHANISM_BYTES: usize = 20;
/// A PROXY protocol header of either version: a client's certificate in it (§2.2.6) takes a few kilobytes. So much
/// still lies in the buffer that a session reads commands into.
pub const PROXY_HEADER_BYTES: usize = 4_096;
/// A PROXY protocol line of version 1 with its CRLF, §2.1.
pub const PROXY_LINE_BYTES: usize = 107;
/// A line of a reply without its CRLF, RFC 5321 §4.5.3.1.5.
pub const REPLY_LINE_BYTES: usize = 510;
