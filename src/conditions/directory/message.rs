//! The messages of LDAP that are spoken here (RFC 4511 §4): what we ask, and what comes back.

use bytes::BytesMut;
use ldap3::asn1::{ASNTag as _, write};

use super::super::words;
use super::ber::{self, Elements, Nonsense, element, numbered};
use super::entry::{DirectoryEntry, DirectoryQuery};
use crate::limits;

/// RFC 4511 §4.14.1.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// RFC 4511 §4.5.1.8: the name for “no attributes”.
const NO_ATTRIBUTES: &str = "1.1";
/// Two entries tell that there are several.
const ENTRIES: u32 = 2;

/// A message to the directory. It may take so many seconds for an answer.
pub(super) enum Request<'a> {
    /// We are this one.
    Bind { dn: &'a str, password: &'a str },
    /// Who is there below this entry?
    Search {
        base: &'a str,
        question: &'a DirectoryQuery,
        seconds: u32,
    },
    /// Is this entry there?
    Base { base: &'a str, seconds: u32 },
    /// Speak TLS from here on.
    StartTls,
}

/// A message of the directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LdapMessage {
    /// Of the request that it answers; 0: of none.
    pub(super) id: u32,
    pub(super) response: LdapResponse,
}

/// What a message of the directory says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LdapResponse {
    Bound(LdapResult),
    Found(DirectoryEntry),
    Done(LdapResult),
    /// What came of StartTLS; also what the directory says of itself.
    Extended(LdapResult),
    /// Something else, which means nothing to us.
    Other,
}

/// RFC 4511 §4.1.9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LdapResult {
    pub(super) code: u32,
    /// The directory's own words.
    pub(super) words: String,
}

impl Request<'_> {
    pub(super) fn message(&self, id: u32) -> Result<Vec<u8>, String> {
        let operation = match self {
            Self::Bind { dn, password } => {
                let parts = [
                    numbered(ber::INTEGER, 3),
                    element(ber::OCTET_STRING, dn.as_bytes()),
                    element(0x80, password.as_bytes()),
                ];
                element(0x60, &parts.concat())
            }
            Self::Search {
                base,
                question,
                seconds,
            } => {
                let filter = written(&question.filter)?;
                search(base, WHOLE_SUBTREE, &filter, &question.attributes, *seconds)
            }
            Self::Base { base, seconds } => {
                let is_there = element(PRESENT, b"objectClass");
                search(base, BASE_OBJECT, &is_there, &[], *seconds)
            }
            Self::StartTls => element(0x77, &element(0x80, START_TLS)),
        };
        let id = numbered(ber::INTEGER, id);
        Ok(element(ber::SEQUENCE, &[id, operation].concat()))
    }
}

/// RFC 4511 §4.5.1.2: how far below the base is looked.
const BASE_OBJECT: u32 = 0;
const WHOLE_SUBTREE: u32 = 2;
/// RFC 4511 §4.5.1.7.5: the tag of a filter for whatever has an attribute.
const PRESENT: u8 = 0x87;

fn written(filter: &str) -> Result<Vec<u8>, String> {
    let filter =
        ldap3::parse_filter(filter).map_err(|()| format!("the filter {filter} is none"))?;
    let mut written = BytesMut::new();
    write::encode_into(&mut written, filter.into_structure())
        .map_err(|error| format!("the filter cannot be written: {error}"))?;
    Ok(written.to_vec())
}

fn search(base: &str, scope: u32, filter: &[u8], attributes: &[String], seconds: u32) -> Vec<u8> {
    const NEVER: u32 = 0;
    let mut attributes = attributes.iter().map(String::as_str).peekable();
    let none = attributes.peek().is_none().then_some(NO_ATTRIBUTES);
    let attributes = attributes
        .chain(none)
        .map(|attribute| element(ber::OCTET_STRING, attribute.as_bytes()));
    let attributes: Vec<Vec<u8>> = attributes.collect();
    let parts = [
        element(ber::OCTET_STRING, base.as_bytes()),
        numbered(ber::ENUMERATED, scope),
        numbered(ber::ENUMERATED, NEVER),
        numbered(ber::INTEGER, ENTRIES),
        numbered(ber::INTEGER, seconds),
        element(ber::BOOLEAN, &[0]),
        filter.to_vec(),
        element(ber::SEQUENCE, &attributes.concat()),
    ];
    element(0x63, &parts.concat())
}

impl LdapMessage {
    pub(super) fn read(content: &[u8]) -> Result<Self, Nonsense> {
        let mut parts = Elements(content);
        let id = parts.number(ber::INTEGER)?;
        let (operation, content) = parts.next()?;
        let response = match operation {
            0x61 => LdapResponse::Bound(outcome(content)?),
            0x64 => LdapResponse::Found(entry(content)?),
            0x65 => LdapResponse::Done(outcome(content)?),
            0x78 => LdapResponse::Extended(outcome(content)?),
            _ => LdapResponse::Other,
        };
        Ok(Self { id, response })
    }
}

fn outcome(content: &[u8]) -> Result<LdapResult, Nonsense> {
    let mut parts = Elements(content);
    let code = parts.number(ber::ENUMERATED)?;
    let _matched = parts.text()?;
    let words = parts.text()?;
    Ok(LdapResult { code, words })
}

fn entry(content: &[u8]) -> Result<DirectoryEntry, Nonsense> {
    let mut parts = Elements(content);
    let dn = parts.text()?;
    let mut attributes = Elements(parts.expect(ber::SEQUENCE)?);
    let mut values = Vec::new();
    while !attributes.are_over() {
        let mut attribute = Elements(attributes.expect(ber::SEQUENCE)?);
        let name = attribute.text()?;
        let mut texts = Elements(attribute.expect(ber::SET)?);
        while !texts.are_over() {
            let text = texts.text()?;
            if values.len() < limits::DIRECTORY_VALUES {
                values.push((name.clone(), text));
            }
        }
    }
    Ok(DirectoryEntry { dn, values })
}

impl LdapResult {
    /// It is what was asked for.
    pub(super) fn is_success(&self) -> bool {
        self.code == 0
    }

    /// RFC 4511 §A.2: more entries than were asked for.
    pub(super) fn is_more(&self) -> bool {
        self.code == 4
    }

    /// What came of it, in words.
    pub(super) fn told(&self) -> String {
        let name = match self.code {
            1 => "an error of its own",
            2 => "that we broke the protocol",
            3 => "that it took too long",
            8 | 13 => "that TLS is needed",
            10 => "that another directory knows",
            32 => "that there is no such entry",
            34 => "that this is no name of an entry",
            48 => "that this login is not possible",
            49 => "that the login is wrong",
            50 => "that we may not do this",
            51 => "that it is busy",
            52 => "that it is not available",
            53 => "that it will not do this",
            _ => "something else",
        };
        match words::cut(&self.words).as_str() {
            "" => format!("it says {name} ({})", self.code),
            words => format!("it says {name} ({}): {words}", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_search_is_written_as_the_rfc_has_it() {
        let question = DirectoryQuery {
            filter: "(mail=a)".to_owned(),
            attributes: vec!["mailHost".to_owned()],
        };
        let request = Request::Search {
            base: "dc=x",
            question: &question,
            seconds: 10,
        };
        let expected =
            b"\x30\x31\x02\x01\x07\x63\x2c\x04\x04dc=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x02\
            \x02\x01\x0a\x01\x01\x00\xa3\x09\x04\x04mail\x04\x01a\x30\x0a\x04\x08mailHost";
        assert_eq!(request.message(7).expect("a filter"), expected);
    }

    #[test]
    fn the_base_is_looked_at_by_itself() {
        let request = Request::Base {
            base: "dc=x",
            seconds: 3,
        };
        let expected =
            b"\x30\x2e\x02\x01\x07\x63\x29\x04\x04dc=x\x0a\x01\x00\x0a\x01\x00\x02\x01\x02\
            \x02\x01\x03\x01\x01\x00\x87\x0bobjectClass\x30\x05\x04\x031.1";
        assert_eq!(request.message(7).expect("a message"), expected);
    }

    #[test]
    fn answers_are_read() {
        let done = b"\x02\x01\x07\x65\x0a\x0a\x01\x20\x04\x00\x04\x03no!";
        let outcome = LdapResult {
            code: 32,
            words: "no!".to_owned(),
        };
        let message = LdapMessage::read(done).expect("an answer");
        assert_eq!(message.id, 7);
        assert_eq!(message.response, LdapResponse::Done(outcome.clone()));
        assert_eq!(
            outcome.told(),
            "it says that there is no such entry (32): no!"
        );
        let found =
            b"\x02\x01\x07\x64\x17\x04\x04cn=a\x30\x0f\x30\x0d\x04\x04mail\x31\x05\x04\x03a@b";
        let entry = DirectoryEntry {
            dn: "cn=a".to_owned(),
            values: vec![("mail".to_owned(), "a@b".to_owned())],
        };
        let message = LdapMessage::read(found).expect("an answer");
        assert_eq!(message.response, LdapResponse::Found(entry));
        for nonsense in [
            &b""[..],
            b"\x02\x01\x07",
            b"\x02\x01\x07\x65\x00",
            b"HTTP/1.1",
        ] {
            assert_eq!(LdapMessage::read(nonsense), Err(Nonsense));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(operation in 0x60_u8..0x7f, bytes in any::<Vec<u8>>()) {
            let _ = LdapMessage::read(&bytes);
            let content = [numbered(ber::INTEGER, 1), element(operation, &bytes)].concat();
            let _ = LdapMessage::read(&content);
        }
    }
}
