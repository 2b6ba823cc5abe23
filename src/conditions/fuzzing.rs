//! The readers of messages and of milters, for the fuzzer: each is fed anything, and what must hold is
//! asserted. See `fuzz/README.md`.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::header::Header;
use crate::limits;
use crate::message::{MemoryBudget, Reservation};
use crate::mime::encoded_word::decoded;
use crate::mime::parts::walk;

pub use super::directory::fuzzing::read_directory_message;
pub use super::milter::fuzzing::hear_milter;

/// A message is looked into: its parts, and its header.
pub fn read_message(content: &[u8]) {
    walk_over(content);
    read_header(content);
}

/// A message is walked over, within its bounds, and what was decoded is given back.
fn walk_over(content: &[u8]) {
    let budget = MemoryBudget::new(4 * content.len() as u64);
    let share = Reservation::empty(Arc::clone(&budget));
    let mut shown = 0;
    let walked = walk(content, &share, |part| {
        shown += 1;
        assert!(part.text().len() as u64 <= part.text_memory_bytes());
        ControlFlow::Continue(())
    });
    assert!(shown <= limits::CONTENT_PARTS);
    // A multipart without a delimiter has no parts to show; but why a walk ends early is said.
    assert!(walked.err().is_none_or(|why| !why.is_empty()));
    assert_eq!(budget.used_bytes(), 0);
}

/// A header is read: its fields are its bytes, and each is read again as itself.
fn read_header(content: &[u8]) {
    let header = Header::read(content);
    let raw = header.fields.iter().map(|field| &field.raw()[..]);
    let bytes: Vec<u8> = raw.collect::<Vec<_>>().concat();
    assert_eq!(bytes, content[..header.bytes]);
    for field in &header.fields {
        assert_eq!(
            Header::read(field.raw()).fields,
            std::slice::from_ref(field)
        );
        let decoded = decoded(&field.value());
        assert!(decoded.len() <= 4 * field.raw().len());
    }
}

/// What is found in a message, in lines: the fields of its header, decoded, and its parts.
#[cfg(test)]
pub(crate) fn record_of_parts(content: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut record = String::new();
    for field in Header::read(content).fields {
        let value = decoded(&field.value());
        let _ = writeln!(record, "{}: {}", field.name(), value.escape_debug());
    }
    let share = Reservation::empty(MemoryBudget::new(u64::MAX));
    let walked = walk(content, &share, |part| {
        let attached = if part.is_attachment { " attached" } else { "" };
        let _ = writeln!(
            record,
            "part {} {:?}{attached}",
            part.media_type, part.names
        );
        let text = part.text();
        let shown: String = text.chars().take(2_000).collect();
        let _ = writeln!(record, "  {} {}", text.len(), shown.escape_debug());
        ControlFlow::Continue(())
    });
    let _ = walked.inspect_err(|why| record.push_str(why));
    record
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_fed_to_the_fuzzer_holds(
            lines in prop::collection::vec("(Content-Type: (multipart/mixed; boundary=a|message/rfc822|text/html)|Content-Transfer-Encoding: (base64|quoted-printable)|--a|--a--|Subject: =\\?utf-8\\?q\\?=C3=A4\\?=|YQ==|=C3|)", 0..12),
        ) {
            read_message(lines.join("\r\n").as_bytes());
        }

        #[test]
        fn anything_that_is_fed_to_the_fuzzer_holds(content in any::<Vec<u8>>()) {
            read_message(&content);
            hear_milter(&content);
        }
    }
}
