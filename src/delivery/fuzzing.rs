//! The conversion to 7-bit, for the fuzzer. See `fuzz/README.md`.

use super::conversion::{Converter, Survey, Unconvertible};
use crate::smtp::end_of_data::DataDecoder;

/// What is received is converted: to lines of 7-bit text and the same ones wherever it is cut; or it is said why
/// it cannot be.
pub fn convert(received: &[u8]) {
    let content = as_taken_in(received);
    let whole = converted(&[&content]);
    // Different inputs are cut in different places.
    let (front, back) = content.split_at(crc32fast::hash(&content) as usize % (content.len() + 1));
    assert_eq!(converted(&[front, back]), whole);
    if let Ok(whole) = whole {
        assert!(whole.is_ascii());
        assert!(content.is_empty() || whole.ends_with(b"\r\n"));
        assert_eq!(converted(&[&whole]).as_deref(), Ok(&whole[..]));
    }
}

/// The lines that the listener makes of it.
fn as_taken_in(received: &[u8]) -> Vec<u8> {
    let mut decoder = DataDecoder::without_dots();
    let mut content = Vec::new();
    decoder.decode(received, &mut |bytes| content.extend_from_slice(bytes));
    decoder.finish(&mut |bytes| content.extend_from_slice(bytes));
    content
}

fn converted(pieces: &[&[u8]]) -> Result<Vec<u8>, Unconvertible> {
    let mut survey = Survey::new();
    for piece in pieces {
        survey.look(piece);
    }
    let plan = survey.finish()?;
    let bytes = plan.bytes;
    let mut converter = Converter::new(plan);
    let mut converted = Vec::new();
    for piece in pieces {
        converter.convert(piece, &mut converted);
    }
    converter.finish(&mut converted);
    assert_eq!(converted.len() as u64, bytes, "the size that was planned");
    Ok(converted)
}

/// What the conversion reads in a message, and what becomes of it, in lines.
#[cfg(test)]
pub(crate) fn record_of_conversion(received: &[u8]) -> String {
    let content = as_taken_in(received);
    let mut record = super::conversion::reading::MessageReading::of(&content).record();
    match converted(&[&content]) {
        Err(why) => record.push_str(&format!("unconvertible: {why}\n")),
        Ok(converted) if converted == content => record.push_str("unchanged\n"),
        Ok(converted) => {
            for line in converted.split_inclusive(|byte| *byte == b'\n') {
                record.push_str(&format!("> {}\n", line.escape_ascii()));
            }
        }
    }
    record
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn anything_that_is_fed_to_the_fuzzer_holds(received in any::<Vec<u8>>()) {
            convert(&received);
        }
    }
}
