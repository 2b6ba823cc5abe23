//! The SMTP logins there are: one immutable value, published through a watch channel.
//!
//! They are few, so all of them are in memory. A change is in force for the next AUTH, and for the next
//! use of a login that was right before: a number that grows with every change says when to look again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// One SMTP login.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpLogin {
    /// Its name as the administrator wrote it; the case of ASCII letters does not count.
    pub name: Arc<str>,
    /// What [`super::Passwords::hash`] made of its password.
    pub hash: String,
    /// What the administrator noted about it.
    pub note: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// By hand, because Debug goes to logs.
impl fmt::Debug for SmtpLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpLogin {}", self.name)
    }
}

/// All SMTP logins, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginDirectory(BTreeMap<String, Arc<SmtpLogin>>);

impl LoginDirectory {
    /// Of two with the same name the later one counts.
    #[must_use]
    pub fn new(logins: impl IntoIterator<Item = SmtpLogin>) -> Self {
        logins.into_iter().fold(Self::default(), Self::with)
    }

    /// The login of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<SmtpLogin>> {
        self.0.get(&name.to_ascii_lowercase())
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &SmtpLogin> {
        self.0.values().map(Arc::as_ref)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With this login in the place of any other of its name.
    #[must_use]
    pub fn with(mut self, login: SmtpLogin) -> Self {
        self.0
            .insert(login.name.to_ascii_lowercase(), Arc::new(login));
        self
    }

    /// Without the login of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(&name.to_ascii_lowercase());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Publisher;

    fn login(name: &str, hash: &str) -> SmtpLogin {
        SmtpLogin {
            name: name.into(),
            hash: hash.into(),
            note: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        let roster = LoginDirectory::new([login("Robot", "one"), login("printer", "two")]);
        for (name, expected) in [
            ("robot", Some("one")),
            ("ROBOT", Some("one")),
            ("printer", Some("two")),
            ("robo", None),
            ("", None),
        ] {
            let found = roster.find(name).map(|login| login.hash.as_str());
            assert_eq!(found, expected, "{name}");
        }
        let names: Vec<_> = roster.iter().map(|login| &*login.name).collect();
        assert_eq!(names, ["printer", "Robot"]);
    }

    #[test]
    fn a_change_is_seen_by_who_looks_next() {
        let publisher = Publisher::new(LoginDirectory::new([login("Robot", "one")]));
        let current = publisher.current();
        let before = current.snapshot();
        publisher.publish(LoginDirectory::clone(&before).with(login("ROBOT", "other")));
        let found = |roster: &LoginDirectory| roster.find("robot").map(|login| login.hash.clone());
        assert_eq!(found(&before).as_deref(), Some("one"));
        assert_eq!(found(&current.snapshot()).as_deref(), Some("other"));
        publisher.publish(LoginDirectory::clone(&current.snapshot()).without("rObot"));
        assert!(current.snapshot().is_empty());
        assert!(!format!("{before:?}").contains("one"));
    }
}
