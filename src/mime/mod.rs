//! The reader of messages: header fields (RFC 5322, 6532), MIME (RFC 2045, 2046), encoded words (RFC 2047) and
//! parameters (RFC 2231).
//!
//! One machine, [`structure`], goes over the lines of a message and says what each belongs to. [`parts`] shows by it
//! what any mail reader may show, for filters; the conversion to 7-bit changes by it what most mail readers show. Both
//! read a header through [`part_header`]. Where readers of mail differ, and what is taken here:
//! `docs/decisions/0020-one-reader-of-mime.md`.

pub(crate) mod charset;
mod delimiters;
pub(crate) mod encoded_word;
pub(crate) mod header_fields;
pub(crate) mod lexical;
pub(crate) mod lines;
pub(crate) mod parameters;
pub(crate) mod part_header;
pub(crate) mod parts;
#[cfg(test)]
mod parts_tests;
pub(crate) mod structure;
pub(crate) mod transfer_encoding;
