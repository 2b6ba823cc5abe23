//! Errors of the operating system in words for people.

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
