//! The mark by which we know ourselves: a name or an address can lead back to us in ways that no list of
//! our own names and addresses shows, through another name, a port that is passed on, or a proxy.

use std::fmt;
use std::sync::Arc;

use crate::smtp::reply::Reply;

/// A word in our greeting that no other process has. What greets us with it is ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnMark(Arc<str>);

impl OwnMark {
    /// A new one, for the life of the process: 16 hexadecimal digits.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()).into())
    }

    /// Whether this is a greeting of ours.
    #[must_use]
    pub fn is_in(&self, greeting: &Reply) -> bool {
        greeting
            .text
            .split_whitespace()
            .any(|word| *word == *self.0)
    }
}

impl fmt::Display for OwnMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_ours_by_its_mark_alone() {
        let (ours, theirs) = (OwnMark::random(), OwnMark::random());
        let greeting = Reply::plain(220, format!("relay.example.net ESMTP Fastpath {ours}"));
        assert!(ours.is_in(&greeting));
        assert!(!theirs.is_in(&greeting));
        assert!(!ours.is_in(&Reply::plain(220, "relay.example.net ESMTP Fastpath")));
        assert!(!ours.is_in(&Reply::plain(220, format!("x{ours}"))));
    }
}
