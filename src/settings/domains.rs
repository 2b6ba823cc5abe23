//! A list of domains, as it is asked for every address.

use super::compared;

/// Domains as the DNS has them; one with a leading dot stands for all below it.
#[derive(Clone, Debug, Default)]
pub struct DomainList(Vec<String>);

impl DomainList {
    /// The list that is written.
    #[must_use]
    pub fn of(written: &[String]) -> Self {
        let domains = written.iter().map(|domain| compared(domain).into_owned());
        Self(domains.collect())
    }

    /// Whether this domain, given in lower case, is in it; the two forms of an internationalised one
    /// are the same.
    #[must_use]
    pub fn has(&self, domain: &str) -> bool {
        let domain = &*compared(domain);
        self.0.iter().any(|listed| match listed.strip_prefix('.') {
            Some(parent) => domain
                .strip_suffix(parent)
                .is_some_and(|below| below.ends_with('.')),
            None => listed == domain,
        })
    }

    /// The same where a list without domains means all of them.
    #[must_use]
    pub fn is_empty_or_has(&self, domain: &str) -> bool {
        self.0.is_empty() || self.has(domain)
    }
}
