//! What the directory is asked for, and what it says.

use std::sync::Arc;

use crate::conditions::words;
use crate::mime::lexical;
use crate::settings::conditions::PLACEHOLDERS;
use crate::smtp::address::Mailbox;

/// Which entry, and what of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DirectoryQuery {
    /// A filter that is filled in.
    pub(super) filter: String,
    pub(super) attributes: Vec<String>,
}

/// What the directory says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LookUpResult {
    Nobody,
    Entry(Arc<DirectoryEntry>),
    /// There is more than one: it cannot tell which is meant.
    Several,
}

/// An entry with what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::conditions) struct DirectoryEntry {
    pub(in crate::conditions) dn: String,
    pub(super) values: Vec<(String, String)>,
}

impl DirectoryQuery {
    /// About the entry of an address. What the address has of signs that mean something in a filter is
    /// escaped.
    pub(super) fn about(address: &Mailbox, filter: &str, attributes: &[Option<&str>]) -> Self {
        let local_part = unquoted(address.local_part());
        let domain = address.domain().to_lowercase();
        let whole = format!("{local_part}@{domain}");
        let mut filled = String::new();
        let mut rest = filter;
        while let Some(at) = rest.find('%') {
            let (before, found) = rest.split_at(at);
            filled.push_str(before);
            let values = [whole.as_str(), &local_part, &domain];
            let mut known = PLACEHOLDERS.iter().zip(values);
            match known.find(|(placeholder, _)| found.starts_with(*placeholder)) {
                Some((placeholder, value)) => {
                    filled.push_str(&ldap3::ldap_escape(value));
                    rest = &found[placeholder.len()..];
                }
                None => {
                    filled.push('%');
                    rest = &found[1..];
                }
            }
        }
        filled.push_str(rest);
        let attributes = attributes.iter().flatten();
        Self {
            filter: filled,
            attributes: attributes.map(|name| (*name).to_owned()).collect(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(String::len);
        self.filter.len() + attributes.sum::<usize>()
    }
}

/// RFC 5321 §4.1.2: quotes and backslashes are no part of what they quote.
fn unquoted(local_part: &str) -> String {
    match local_part.starts_with('"') {
        true => String::from_utf8_lossy(&lexical::unquoted(local_part.as_bytes())).into_owned(),
        false => local_part.to_owned(),
    }
}

impl DirectoryEntry {
    /// The values of an attribute, whatever the case of its name. Options of the name (RFC 4512 §2.5.2),
    /// like the language, do not matter.
    pub(in crate::conditions) fn values<'a>(
        &'a self,
        attribute: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let named = self.values.iter().filter(move |(name, _)| {
            let base = name.split(';').next().unwrap_or(name);
            base.eq_ignore_ascii_case(attribute)
        });
        named.map(|(_, value)| value.trim())
    }

    /// The one value of an attribute; none when it has none.
    ///
    /// # Errors
    /// When it has several.
    pub(in crate::conditions) fn value<'a>(
        &'a self,
        attribute: &'a str,
    ) -> Result<Option<&'a str>, String> {
        let mut values = self.values(attribute);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(self.has_several(attribute)),
        }
    }

    /// In words: which of the values of an attribute counts cannot be told.
    pub(in crate::conditions) fn has_several(&self, attribute: &str) -> String {
        words::cut(&format!("{} has several {attribute}", self.dn))
    }

    /// In words: what is wrong with the value of an attribute.
    pub(in crate::conditions) fn malformed(
        &self,
        attribute: &str,
        value: &str,
        what: &str,
    ) -> String {
        let value = words::cut(value);
        words::cut(&format!("{attribute} “{value}” {what}, in {}", self.dn))
    }

    /// The address that is the value of an attribute.
    pub(in crate::conditions) fn address(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<Mailbox, String> {
        Mailbox::parse(value).map_err(|_| self.malformed(attribute, value, "is no address"))
    }

    pub(super) fn bytes(&self) -> usize {
        let values = self.values.iter();
        let values = values.map(|(name, value)| name.len() + value.len());
        self.dn.len() + values.sum::<usize>()
    }
}

impl LookUpResult {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Nobody | Self::Several => 0,
            Self::Entry(entry) => entry.bytes(),
        }
    }
}
