//! The conversion to 7-bit, for the fuzzer. See `fuzz/README.md`.

use super::conversion::{Converter, Survey};
use crate::smtp::bdat::BdatNormaliser;

/// What is received is converted: to lines of 7-bit text and the same ones wherever it is cut; or it is said why
/// it cannot be.
pub fn convert(received: &[u8], cut: usize) {
    let mut normaliser = BdatNormaliser::new();
    let mut content = Vec::new();
    normaliser.decode(received, &mut |bytes| content.extend_from_slice(bytes));
    normaliser.finish(&mut |bytes| content.extend_from_slice(bytes));
    let (front, back) = content.split_at(cut.min(content.len()));
    let whole = converted(&[&content]);
    assert_eq!(converted(&[front, back]), whole);
    if let Some(whole) = whole {
        assert!(whole.is_ascii());
        assert!(content.is_empty() || whole.ends_with(b"\r\n"));
    }
}

/// None: it cannot be converted.
fn converted(pieces: &[&[u8]]) -> Option<Vec<u8>> {
    let mut survey = Survey::new();
    for piece in pieces {
        survey.look(piece);
    }
    let mut converter = Converter::new(survey.finish().ok()?);
    let mut converted = Vec::new();
    for piece in pieces {
        converter.convert(piece, &mut converted);
    }
    converter.finish(&mut converted);
    Some(converted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn anything_that_is_fed_to_the_fuzzer_holds(received in any::<Vec<u8>>(), cut in 0..100_usize) {
            convert(&received, cut);
        }
    }
}
