//! Words that come from outside, on their way into replies, fields and the trail.

use std::io;

use super::service::ServiceError;
use crate::limits;
use crate::system_error::in_words;

/// Printable, and at most [`limits::CHECK_WORDS_BYTES`] long.
pub(super) fn cut(text: &str) -> String {
    let mut words = String::new();
    for character in text.chars() {
        let character = if character.is_control() {
            ' '
        } else {
            character
        };
        if words.len() + character.len_utf8() > limits::CHECK_WORDS_BYTES {
            // ASCII, for header fields.
            words.push_str("...");
            break;
        }
        words.push(character);
    }
    words.trim().to_owned()
}

/// Why a check cannot tell when the message cannot be read.
pub(super) fn unreadable(error: io::Error) -> String {
    format!("the message cannot be read: {}", in_words(&error))
}

/// The same as a service's trouble, which it is not.
pub(super) fn not_shown(error: io::Error) -> ServiceError {
    ServiceError::NotShown(unreadable(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_printable_and_short() {
        assert_eq!(cut(" a\r\nb\0 "), "a  b");
        let long = cut(&"ä".repeat(500));
        assert!(long.len() <= limits::CHECK_WORDS_BYTES + 3);
        assert!(long.ends_with("..."));
    }
}
