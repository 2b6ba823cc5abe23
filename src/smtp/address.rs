//! The addresses of an envelope: a mailbox, and the two paths that may hold one.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::domain::ascii_domain;
use super::path_lexer;

pub use super::path_lexer::PathError;

/// `local-part@domain`, kept exactly as it was written.
///
/// Quotes and backslashes stay where the sender put them, so the text can be written into a command again and
/// nothing in it can be taken for the end of the path. Two mailboxes are equal when their local parts
/// agree to the byte and their domains agree but for the case of ASCII letters (RFC 5321 §2.4).
#[derive(Clone)]
pub struct Mailbox {
    text: Arc<str>,
    /// The offset of the `@` that separates the two halves; a quoted local part may hold others.
    at: usize,
}

impl Mailbox {
    /// Reads a mailbox of RFC 5321 §4.1.2, with the letters of RFC 6531 §3.3. The text must hold nothing else.
    ///
    /// Whether letters outside ASCII are welcome is the caller's question: see [`Mailbox::is_ascii`].
    pub fn parse(text: &str) -> Result<Mailbox, PathError> {
        let lexed = path_lexer::mailbox(text)?;
        if lexed.length != text.len() {
            return Err(PathError::Syntax);
        }
        Ok(Mailbox::from_lexed(text, lexed))
    }

    /// The front of `text` that the lexer found to be a mailbox.
    fn from_lexed(text: &str, lexed: path_lexer::LexedMailbox) -> Mailbox {
        Mailbox {
            text: Arc::from(&text[..lexed.length]),
            at: lexed.at,
        }
    }

    /// The whole mailbox, as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`, with its quotes when it has any.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part behind the `@`, as written; it may be an address literal, `[192.0.2.1]`.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The domain as the DNS has it, in lower case, for look-ups and keys. One that the DNS cannot have is
    /// as it was written.
    pub fn lookup_domain(&self) -> String {
        let domain = ascii_domain(self.domain());
        let domain = domain.as_deref().unwrap_or(self.domain());
        domain.to_ascii_lowercase()
    }

    /// Whether it is ASCII; if not, it needs SMTPUTF8 as it is written.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// The same mailbox for those who know ASCII only: a domain has such a form, a local part has none.
    pub fn in_ascii(&self) -> Option<Cow<'_, str>> {
        if self.is_ascii() {
            return Some(Cow::Borrowed(&self.text));
        }
        if !self.local_part().is_ascii() {
            return None;
        }
        let domain = ascii_domain(self.domain())?;
        Some(format!("{}@{domain}", self.local_part()).into())
    }

    /// Whether it has no form for a next hop without SMTPUTF8.
    pub fn needs_smtputf8(&self) -> bool {
        self.in_ascii().is_none()
    }

    /// The local part holds a sign by which some servers forward to a third party: `user%other`,
    /// `other!user`, `"user@other"`. Relaying such a mailbox would make the next hop an open relay
    /// that trusts us.
    pub fn has_relay_trick(&self) -> bool {
        self.local_part().contains(['%', '!', '@'])
    }
}

impl PartialEq for Mailbox {
    fn eq(&self, other: &Mailbox) -> bool {
        self.local_part() == other.local_part()
            && self.domain().eq_ignore_ascii_case(other.domain())
    }
}

impl Eq for Mailbox {}

impl Hash for Mailbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.local_part().hash(state);
        for byte in self.domain().bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{}>", self.text)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl serde::Serialize for Mailbox {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The sender, who gets the reports on a message: the argument of MAIL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: no sender. Reports are sent this way, so that a report never causes another (RFC 5321 §4.5.5).
    Null,
    /// A mailbox that takes reports.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Reads the text between the brackets; an empty one is the null path.
    pub fn parse(text: &str) -> Result<ReversePath, PathError> {
        match text {
            "" => Ok(ReversePath::Null),
            _ if text.starts_with('@') => Err(PathError::SourceRoute),
            _ => Mailbox::parse(text).map(ReversePath::Mailbox),
        }
    }

    /// Reads `<path>` at the front of `text`; gives the path and what follows the bracket.
    pub(super) fn lex(text: &str) -> Result<(ReversePath, &str), PathError> {
        let (inner, rest) = path_lexer::enclosed(text)?;
        Ok((ReversePath::parse(inner)?, rest))
    }

    /// The path without its brackets; empty for the null path.
    pub fn as_str(&self) -> &str {
        match self {
            ReversePath::Null => "",
            ReversePath::Mailbox(mailbox) => mailbox.as_str(),
        }
    }

    /// The mailbox, unless the path is null.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            ReversePath::Null => None,
            ReversePath::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// Whether it is the null path: no report is sent.
    pub fn is_null(&self) -> bool {
        matches!(self, ReversePath::Null)
    }

    /// Whether it is ASCII; if not, it needs SMTPUTF8 as it is written.
    pub fn is_ascii(&self) -> bool {
        self.as_str().is_ascii()
    }

    /// Whether it has no form for a next hop without SMTPUTF8.
    pub fn needs_smtputf8(&self) -> bool {
        self.mailbox().is_some_and(Mailbox::needs_smtputf8)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl serde::Serialize for ReversePath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Where a message goes: the argument of RCPT.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<postmaster>` in any case and without a domain: the postmaster of this server (RFC 5321 §4.5.1).
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// Reads the text between the brackets.
    pub fn parse(text: &str) -> Result<ForwardPath, PathError> {
        match text {
            "" => Err(PathError::Empty),
            _ if text.starts_with('@') => Err(PathError::SourceRoute),
            _ if text.eq_ignore_ascii_case("postmaster") => Ok(ForwardPath::Postmaster),
            _ => Mailbox::parse(text).map(ForwardPath::Mailbox),
        }
    }

    /// Reads `<path>` at the front of `text`; gives the path and what follows the bracket.
    pub(super) fn lex(text: &str) -> Result<(ForwardPath, &str), PathError> {
        let (inner, rest) = path_lexer::enclosed(text)?;
        Ok((ForwardPath::parse(inner)?, rest))
    }

    /// The path without its brackets.
    pub fn as_str(&self) -> &str {
        match self {
            ForwardPath::Postmaster => "postmaster",
            ForwardPath::Mailbox(mailbox) => mailbox.as_str(),
        }
    }

    /// Whether it is ASCII; if not, it needs SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.as_str().is_ascii()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse(text).unwrap()
    }

    #[test]
    fn halves_are_kept_as_written() {
        let quoted = mailbox(r#""a@b \" c"@Example.ORG"#);
        assert_eq!(quoted.local_part(), r#""a@b \" c""#);
        assert_eq!(quoted.domain(), "Example.ORG");
        assert_eq!(quoted.lookup_domain(), "example.org");
        for (written, in_ascii, domain) in [
            ("Info@Example.ORG", Some("Info@Example.ORG"), "example.org"),
            (
                "info@BÜCHER.test",
                Some("info@xn--bcher-kva.test"),
                "xn--bcher-kva.test",
            ),
            ("ä@bücher.test", None, "xn--bcher-kva.test"),
            ("ä@[192.0.2.1]", None, "[192.0.2.1]"),
        ] {
            let mailbox = Mailbox::parse(written).unwrap();
            assert_eq!(mailbox.in_ascii().as_deref(), in_ascii, "{written}");
            assert_eq!(mailbox.lookup_domain(), domain, "{written}");
        }
        assert_eq!(quoted.to_string(), r#""a@b \" c"@Example.ORG"#);
    }

    #[test]
    fn equality_ignores_the_case_of_the_domain_only() {
        let seen = HashSet::from([mailbox("a@Example.org")]);
        assert!(seen.contains(&mailbox("a@example.ORG")));
        assert!(!seen.contains(&mailbox("A@example.org")));
        assert_ne!(mailbox("a@example.org"), mailbox("a@example.net"));
    }

    #[test]
    fn relay_tricks() {
        for (text, expected) in [
            ("user@example.org", false),
            ("user+tag=x@example.org", false),
            ("user%inner@example.org", true),
            ("inner!user@example.org", true),
            (r#""user@inner"@example.org"#, true),
            (r#""user\@inner"@example.org"#, true),
        ] {
            assert_eq!(mailbox(text).has_relay_trick(), expected, "{text}");
        }
    }

    #[test]
    fn reverse_paths() {
        assert_eq!(ReversePath::parse(""), Ok(ReversePath::Null));
        assert_eq!(
            ReversePath::lex("<> SIZE=1"),
            Ok((ReversePath::Null, " SIZE=1"))
        );
        assert_eq!(ReversePath::parse("postmaster"), Err(PathError::Syntax));
        assert!(ReversePath::parse("a@b").unwrap().mailbox().is_some());
        assert!(!ReversePath::parse("ä@b").unwrap().is_ascii());
    }

    #[test]
    fn forward_paths() {
        assert_eq!(ForwardPath::parse(""), Err(PathError::Empty));
        assert_eq!(
            ForwardPath::parse("PostMaster"),
            Ok(ForwardPath::Postmaster)
        );
        assert_eq!(ForwardPath::parse("@a,@b:c@d"), Err(PathError::SourceRoute));
        let (path, rest) = ForwardPath::lex(r#"<"x> NOTIFY=NEVER"@example.org> ORCPT=x"#).unwrap();
        assert_eq!(path.as_str(), r#""x> NOTIFY=NEVER"@example.org"#);
        assert_eq!(rest, " ORCPT=x");
    }

    #[test]
    fn paths_serialize_as_text() {
        assert_eq!(serde_json::to_string(&mailbox("a@b")).unwrap(), "\"a@b\"");
        assert_eq!(serde_json::to_string(&ReversePath::Null).unwrap(), "\"\"");
    }
}
