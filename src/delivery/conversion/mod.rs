//! Re-encodes an 8-bit message for a next hop that does not offer 8BITMIME: RFC 6152 §3 lets a relay
//! convert or refuse.
//!
//! A message is gone through twice, because a part's header says how its content is encoded and stands
//! before the content: the [`Survey`] decides what each part becomes and how long the whole will be, the
//! [`Converter`] writes it. Both are fed the same bytes, cut anywhere, and see them through the same
//! machine ([`Structure`](crate::mime::structure::Structure)). Neither holds more than a line, a header, the boundaries that are open and a few
//! bytes for each part.
//!
//! What has no 8-bit bytes goes through byte for byte. A DKIM signature over a converted body no longer
//! verifies; nothing that converts can help that.

mod addresses;
mod content;
mod content_writer;
mod convert;
mod encode;
mod encoded_words;
#[cfg(test)]
mod field_tests;
mod folding;
mod header;
mod parameters;
mod plan;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(super) mod reading;
mod survey;
#[cfg(test)]
mod tests;
mod words;

pub(super) use self::convert::Converter;
pub(super) use self::plan::{ConversionPlan, Unconvertible};
pub(super) use self::survey::Survey;
