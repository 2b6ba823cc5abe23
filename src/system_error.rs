//! Errors in words for people.

use std::error::Error;
use std::io;

/// What the error says, without the number that the standard library puts behind it: `Connection refused`.
#[must_use]
pub fn in_words(error: &io::Error) -> String {
    let mut words = error.to_string();
    if let Some(code) = error.raw_os_error() {
        let number = format!(" (os error {code})");
        words.truncate(words.strip_suffix(&number).unwrap_or(&words).len());
    }
    words
}

/// An error with its causes, of which the last one says what happened.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_no_number() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(in_words(&refused), "Connection refused");
        let other = io::Error::other("failed (os error 5)");
        assert_eq!(in_words(&other), "failed (os error 5)");
        let kind = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(in_words(&kind), "unexpected end of file");
    }
}
