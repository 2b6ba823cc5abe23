//! The readers of messages and of milters, for the fuzzer: each is fed anything, and what must hold is
//! asserted. See `fuzz/README.md`.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::header::Header;
use super::mime;
use crate::limits;
use crate::message::{MemoryBudget, Reservation};

pub use super::milter::fuzzing::hear_milter;

/// A message is walked over, within its bounds, and what was decoded is given back.
pub fn walk_over(content: &[u8]) {
    let budget = MemoryBudget::new(4 * content.len() as u64);
    let share = Reservation::empty(Arc::clone(&budget));
    let mut shown = 0;
    let walked = mime::walk(content, &share, |part| {
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
pub fn read_header(content: &[u8]) {
    let header = Header::read(content);
    let raw = header.fields().iter().map(|field| &field.raw()[..]);
    let bytes: Vec<u8> = raw.collect::<Vec<_>>().concat();
    assert_eq!(bytes, content[..header.bytes()]);
    for field in header.fields() {
        assert_eq!(
            Header::read(field.raw()).fields(),
            std::slice::from_ref(field)
        );
        let decoded = mime::decoded(&field.value());
        assert!(decoded.len() <= 4 * field.raw().len());
    }
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
            let content = lines.join("\r\n");
            walk_over(content.as_bytes());
            read_header(content.as_bytes());
        }

        #[test]
        fn anything_that_is_fed_to_the_fuzzer_holds(content in any::<Vec<u8>>()) {
            walk_over(&content);
            read_header(&content);
            hear_milter(&content);
        }
    }
}
