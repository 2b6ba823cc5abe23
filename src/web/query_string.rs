//! Links with a query string.

use std::fmt::Write as _;

/// `path` with those pairs that have a value, as a form would send them.
pub(super) fn link(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut link = path.to_owned();
    let mut separator = '?';
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        link.push(separator);
        link.push_str(name);
        link.push('=');
        push_encoded(&mut link, value);
        separator = '&';
    }
    link
}

/// Everything but the unreserved characters of RFC 3986 §2.3 as `%` and two digits.
fn push_encoded(link: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            link.push(byte.into());
        } else {
            // A String takes everything.
            let _ = write!(link, "%{byte:02X}");
        }
    }
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
