//! Query strings, and texts as parts of an address.

use std::fmt::Write as _;

/// A query string that is written pair by pair, as a form would send it.
#[derive(Debug, Default)]
pub(super) struct QueryString(String);

impl QueryString {
    pub(super) fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&encoded(value));
    }

    /// The query, without the question mark.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with this query.
    pub(super) fn of(&self, path: &str) -> String {
        match self.0.as_str() {
            "" => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }
}

/// `path` with those pairs that have a value.
pub(super) fn link(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = QueryString::default();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.push(name, value);
    }
    query.of(path)
}

/// Everything but the unreserved characters of RFC 3986 §2.3 as `%` and two digits.
pub(super) fn encoded(text: &str) -> String {
    encoded_but(text, b"-._~")
}

/// A path as the value of a query, in which slashes may stay (RFC 3986 §3.4).
pub(super) fn encoded_path(path: &str) -> String {
    encoded_but(path, b"-._~/")
}

fn encoded_but(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            encoded.push(byte.into());
        } else {
            // A String takes everything.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_blank_ones_left_out() {
        for (pairs, expected) in [
            (&[][..], "/audit"),
            (&[("who", "")], "/audit"),
            (
                &[("who", "a b"), ("before", "7")],
                "/audit?who=a%20b&before=7",
            ),
            (
                &[("who", ""), ("x", "ö&=\"<+*")],
                "/audit?x=%C3%B6%26%3D%22%3C%2B%2A",
            ),
        ] {
            assert_eq!(link("/audit", pairs), expected);
        }
    }
}
