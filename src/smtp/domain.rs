//! Domains: letters outside ASCII, and how the DNS has them.

use std::borrow::Cow;

use hickory_resolver::proto::rr::Name;

/// A domain as the DNS has it (RFC 5890): labels outside ASCII as `xn--…`, in lower case. None for what
/// can be no domain. A text in ASCII stays what it is.
#[must_use]
pub fn ascii_domain(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_ascii() {
        return Some(domain.into());
    }
    let (dot, name) = match domain.strip_prefix('.') {
        Some(name) => (".", name),
        None => ("", domain),
    };
    let ascii = name_of(name)?.to_ascii().to_ascii_lowercase();
    let ascii = ascii.trim_end_matches('.');
    // What would have to be escaped is no letter of a domain.
    (!ascii.contains('\\')).then(|| format!("{dot}{ascii}").into())
}

/// RFC 3490 §3.1: the dots of other scripts separate labels, too.
fn name_of(domain: &str) -> Option<Name> {
    let dots = ['\u{3002}', '\u{ff0e}', '\u{ff61}'];
    Name::from_utf8(domain.replace(dots, ".")).ok()
}

/// A domain as people read it, labels that the DNS has as `xn--…` in their letters, in lower case. None for what can
/// be no domain.
#[must_use]
pub fn unicode_domain(domain: &str) -> Option<String> {
    // It reads letters as well, and folds their case.
    let unicode = name_of(domain)?.to_utf8().to_lowercase();
    Some(unicode.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_read_in_their_letters() {
        for (domain, expected) in [
            ("Example.NET", "example.net"),
            ("xn--mnchen-3ya.example", "münchen.example"),
            ("XN--MNCHEN-3YA.example", "münchen.example"),
            ("MÜNCHEN.example", "münchen.example"),
        ] {
            assert_eq!(unicode_domain(domain).as_deref(), Some(expected));
        }
    }

    #[test]
    fn domains_are_compared_as_the_dns_has_them() {
        for (domain, expected) in [
            ("example.net", Some("example.net")),
            ("[192.0.2.1]", Some("[192.0.2.1]")),
            ("münchen.example", Some("xn--mnchen-3ya.example")),
            ("MÜNCHEN.example", Some("xn--mnchen-3ya.example")),
            (".münchen.example", Some(".xn--mnchen-3ya.example")),
            ("bücher\u{3002}example", Some("xn--bcher-kva.example")),
            ("bücher\u{ff0e}example", Some("xn--bcher-kva.example")),
        ] {
            let expected = expected.map(Cow::from);
            let found = ascii_domain(domain);
            match expected {
                Some(_) => assert_eq!(found, expected, "{domain}"),
                None => assert!(found.is_none_or(|found| found.is_ascii()), "{domain}"),
            }
        }
    }
}
