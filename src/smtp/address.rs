//! Mailboxes and paths.
use std::{fmt, sync::Arc};
#[derive(Clone)]
pub struct Mailbox {
    text: Arc<str>,
    at: usize,
}
impl Mailbox {
    pub fn parse(_text: &str) -> Result<Mailbox, PathError> {
        unimplemented!()
    }
    pub fn as_str(&self) -> &str {
        &self.text
    }
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }
    pub fn domain_lowercase(&self) -> String {
        self.domain().to_ascii_lowercase()
    }
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }
    pub fn has_relay_trick(&self) -> bool {
        unimplemented!()
    }
}
impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl PartialEq for Mailbox {
    fn eq(&self, other: &Mailbox) -> bool {
        self.local_part() == other.local_part()
            && self.domain().eq_ignore_ascii_case(other.domain())
    }
}
impl Eq for Mailbox {}
impl std::hash::Hash for Mailbox {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {
        unimplemented!()
    }
}
impl serde::Serialize for Mailbox {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    Null,
    Mailbox(Mailbox),
}
impl ReversePath {
    /// Without brackets; "" is Null.
    pub fn parse(_text: &str) -> Result<ReversePath, PathError> {
        unimplemented!()
    }
    pub fn as_str(&self) -> &str {
        match self {
            ReversePath::Null => "",
            ReversePath::Mailbox(mailbox) => mailbox.as_str(),
        }
    }
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            ReversePath::Null => None,
            ReversePath::Mailbox(mailbox) => Some(mailbox),
        }
    }
    pub fn is_null(&self) -> bool {
        matches!(self, ReversePath::Null)
    }
    pub fn is_ascii(&self) -> bool {
        self.as_str().is_ascii()
    }
}
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    Postmaster,
    Mailbox(Mailbox),
}
impl ForwardPath {
    /// Without brackets; "postmaster" is Postmaster.
    pub fn parse(_text: &str) -> Result<ForwardPath, PathError> {
        unimplemented!()
    }
    pub fn as_str(&self) -> &str {
        match self {
            ForwardPath::Postmaster => "postmaster",
            ForwardPath::Mailbox(mailbox) => mailbox.as_str(),
        }
    }
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            ForwardPath::Postmaster => None,
            ForwardPath::Mailbox(mailbox) => Some(mailbox),
        }
    }
    pub fn is_ascii(&self) -> bool {
        self.as_str().is_ascii()
    }
}
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("syntax")]
    Syntax,
    #[error("empty")]
    Empty,
    #[error("source route")]
    SourceRoute,
    #[error("non-ASCII")]
    NonAscii,
    #[error("too long")]
    TooLong,
}
