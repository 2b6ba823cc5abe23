//! Re-encodes an 8-bit message for a next hop that does not offer 8BITMIME: RFC 6152 §3 lets a relay
//! convert or refuse.
//!
//! A message is gone through twice, because a part's header says how its content is encoded and stands
//! before the content: the [`Survey`] decides what each part becomes and how long the whole will be, the
//! [`Converter`] writes it. Both are fed the same bytes, cut anywhere, and see them through the same
//! machine (`structure.rs`). Neither holds more than a line, a header, the boundaries that are open and a few
//! bytes for each part.
//!
//! What has no 8-bit bytes goes through byte for byte. A DKIM signature over a converted body no longer
//! verifies; nothing that converts can help that.

mod addresses;
mod content;
mod convert;
mod delimiters;
mod encode;
mod encoded_words;
#[cfg(test)]
mod field_tests;
mod fields;
mod folding;
mod header;
mod lines;
mod parameters;
mod plan;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(super) mod reading;
mod structure;
mod survey;
#[cfg(test)]
mod tests;
mod words;

pub(super) use self::convert::Converter;
pub(super) use self::plan::{Plan, Unconvertible};
pub(super) use self::survey::Survey;

/// A line with its CRLF. What the listener takes in has lines of 65,536 bytes at most.
const LINE_BYTES: usize = 65_538;
/// The header of a message or a part. It is held as a whole, and no relay takes a longer one of a message.
const HEADER_BYTES: usize = 262_144;
/// Headers of messages and parts in one message. The plan holds a few bytes for each; what has more is
/// made to burden whoever reads it.
const PARTS: usize = 10_000;
/// Multiparts and messages within each other. Each keeps its boundary; mail that people forward to and fro
/// reaches some dozens.
const DEPTH: usize = 100;
/// A boundary. RFC 2046 §5.1.1 allows 70; some more are seen, and three times as many fit on a line.
const BOUNDARY_BYTES: usize = 250;
/// A field's name. RFC 5322 §2.1.1 allows 998 on a line, and a name cannot be folded.
const NAME_BYTES: usize = 900;
