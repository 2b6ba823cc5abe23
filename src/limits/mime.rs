//! Messages and their parts, for those who look into them and those who convert them.

/// Parts of a message: more than any program or person makes. The plan of a conversion holds a few bytes for each.
pub const CONTENT_PARTS: usize = 10_000;
/// Multiparts and messages within each other that are converted, each with its boundary: forwarded mail has dozens.
pub const PART_DEPTH: usize = 100;
/// A boundary in what is converted. RFC 2046 §5.1.1 allows 70; some more are seen.
pub const BOUNDARY_BYTES: usize = 250;
/// An encoded word of a header field, which RFC 2047 §2 allows 75: who writes a longer one means one.
pub const ENCODED_WORD_BYTES: usize = 1_024;
