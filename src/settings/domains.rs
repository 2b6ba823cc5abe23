//! A list of domains, as it is asked for every address.

use std::collections::HashSet;

use super::names::compared;

/// Domains as the DNS has them; one with a leading dot means all below it. However long it is, a
/// question costs a look for each label.
#[derive(Clone, Debug, Default)]
pub struct DomainList {
    domains: HashSet<Box<str>>,
    /// Without their dots.
    parents: HashSet<Box<str>>,
}

impl DomainList {
    /// The list that is written.
    #[must_use]
    pub fn of(written: &[String]) -> Self {
        let mut list = Self::default();
        for domain in written {
            let domain = compared(domain);
            match domain.strip_prefix('.') {
                Some(parent) => list.parents.insert(parent.into()),
                None => list.domains.insert((*domain).into()),
            };
        }
        list
    }

    /// Whether this domain, given in lower case, is in it; the two forms of an internationalised one
    /// are the same.
    #[must_use]
    pub fn has(&self, domain: &str) -> bool {
        let domain = &*compared(domain);
        let mut above = domain.match_indices('.').map(|(dot, _)| &domain[dot + 1..]);
        self.domains.contains(domain)
            || !self.parents.is_empty() && above.any(|parent| self.parents.contains(parent))
    }

    /// The same where a list without domains means all of them.
    #[must_use]
    pub fn is_empty_or_has(&self, domain: &str) -> bool {
        self.domains.is_empty() && self.parents.is_empty() || self.has(domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_labels_are_compared() {
        let written = ["example.net", ".example.com", ".münchen.example"].map(str::to_owned);
        let list = DomainList::of(&written);
        for (domain, expected) in [
            ("example.net", true),
            ("a.example.net", false),
            ("net", false),
            ("example.com", false),
            ("a.example.com", true),
            ("b.a.example.com", true),
            ("badexample.com", false),
            ("com", false),
            ("a.xn--mnchen-3ya.example", true),
            ("a.münchen.example", true),
            ("münchen.example", false),
            ("", false),
        ] {
            assert_eq!(list.has(domain), expected, "{domain}");
        }
        assert!(DomainList::of(&[]).is_empty_or_has("example.org"));
        assert!(!list.is_empty_or_has("example.org"));
    }
}
